import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { FreshPasswordService } from '../account/fresh-password.service.js';
import type { AuthenticatedRequest } from '../principal.js';

/** The fields of a body that need a fresh password. If there are none, every request needs it. */
export const FRESH_PASSWORD_FIELDS = 'auth:fresh-password-fields';

/** Refuses callers who have not entered the password within five minutes, with 403 `fresh_password_required`. See `@FreshPassword()`. */
@Injectable()
export class FreshPasswordGuard implements CanActivate {
  constructor(
    private readonly passwords: FreshPasswordService,
    private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<true> {
    const { user, serviceClient, body } = context.switchToHttp().getRequest<AuthenticatedRequest>();
    if (user === undefined && serviceClient !== undefined) return true;
    const fields = this.reflector.get<readonly string[]>(FRESH_PASSWORD_FIELDS, context.getHandler());
    // Guards run before the body is validated, so it may be anything.
    const given = Object(body) as Record<string, unknown>;
    if (fields.length > 0 && fields.every((field) => given[field] === undefined)) return true;
    await this.passwords.require(user!);
    return true;
  }
}
