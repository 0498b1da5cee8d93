import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { bearerIn } from '../../../auth/http/presented-credentials.js';
import { JwtAuthGuard } from '../../../auth/guards/jwt-auth.guard.js';
import { isServiceClient } from '../../../auth/guards/service-client.guard.js';
import { isTokenOnly } from '../../../auth/auth.decorators.js';
import { SessionCookieService } from './session-cookie.service.js';
import { SessionGuard } from './session.guard.js';

/**
 * Closes every route that is not @Public(), by the credential that the request carries: a Bearer token if there is one, else a session
 * cookie. The answer for that credential is final: the other one is never tried. `ServiceClientGuard` has authenticated service clients
 * before.
 */
@Injectable()
export class CredentialGuard implements CanActivate {
  constructor(
    private readonly tokens: JwtAuthGuard,
    private readonly sessions: SessionGuard,
    private readonly cookie: SessionCookieService,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    if (isServiceClient(context)) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const bySession =
      this.cookie.isIn(request) &&
      bearerIn(request.headers.authorization) === undefined &&
      !isTokenOnly(context);
    return bySession ? this.sessions.canActivate(context) : this.tokens.canActivate(context);
  }
}
