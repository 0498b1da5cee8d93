import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { AuthenticatedRequest } from '../../../auth/principal.js';
import { forwardAuthOf } from '../../../auth/http/forward-auth.js';
import { isPublic } from '../../../auth/auth.decorators.js';
import { changesState, forwardedChangesState } from './judged-methods.js';
import { SessionAuthenticationService } from './session-caller.service.js';
import { SessionService } from '../sessions.service.js';

/**
 * Closes every route that is not @Public() to callers without a live session. A call that changes something must not come from
 * another site's page. If a proxy asks about another request, that one is judged.
 */
@Injectable()
export class SessionGuard implements CanActivate {
  constructor(
    private readonly callers: SessionAuthenticationService,
    private readonly sessions: SessionService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (isPublic(context)) return true;
    const http = context.switchToHttp();
    const request = http.getRequest<AuthenticatedRequest>();
    const session = await this.callers.authenticate(request, {
      changesState: mayChangeState(context, request),
    });
    await this.sessions.keep(session, http.getResponse<FastifyReply>());
    return true;
  }
}

function mayChangeState(context: ExecutionContext, request: AuthenticatedRequest): boolean {
  const forwarded = forwardAuthOf(context);
  if (forwarded === null) return changesState(request);
  return forwardedChangesState(request, forwarded === 'own' ? request.method : undefined);
}
