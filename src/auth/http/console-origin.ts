import { Inject, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import type { Role } from '../../common/role.js';
import { AdminRole } from '../../users/admin-role.js';
import { refuseAuth } from '../auth.errors.js';

/**
 * The origin of the administrators' console. If CONSOLE_ORIGIN is set, administrators can sign in by cookie only there, so that a script in
 * a page of the product cannot act with an administrator's cookie.
 */
@Injectable()
export class ConsoleOrigin {
  private readonly origin: URL | undefined;

  constructor(
    @Inject(CONFIG) { consoleOrigin }: Config,
    private readonly adminRole: AdminRole,
  ) {
    this.origin = consoleOrigin === undefined ? undefined : new URL(consoleOrigin);
  }

  /** Whether the request came to the console's origin and, if a page made it, from there. Always true without CONSOLE_ORIGIN. */
  isHere({ host, headers }: FastifyRequest): boolean {
    if (this.origin === undefined) return true;
    const { origin } = headers;
    return host.toLowerCase() === this.origin.host && (origin === undefined || origin === this.origin.origin);
  }

  /** Whether the answer to this request may give the user a cookie that signs in. */
  permitsCookie(user: { readonly role: Role }, request: FastifyRequest): boolean {
    return !this.adminRole.isHeldBy(user) || this.isHere(request);
  }

  /** Throws 403 `console_origin_only` for an administrator who wants to sign in by cookie elsewhere. */
  requireCookie(user: { readonly role: Role }, request: FastifyRequest): void {
    if (!this.permitsCookie(user, request)) throw refuseAuth('console_origin_only');
  }
}
