import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AuthenticatedRequest } from '../../../auth/principal.js';
import { forwardAuthOf } from '../../../auth/http/forward-auth.js';
import { isPublic } from '../../../auth/auth.decorators.js';
import { SessionAuthenticationService } from './session-authentication.service.js';
import { SessionService } from '../session.service.js';

/** Methods that change nothing (RFC 9110, section 9.2.1). Methods are case-sensitive: any other spelling is another method. */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** The headers in which proxies name the method of the request that they ask about. */
const NAMING_HEADERS = ['x-forwarded-method', 'x-original-method'] as const;

/** The headers that override the method of a request, or turn it into a connection for more requests. */
const ALTERING_HEADERS = [
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
  'upgrade',
  'sec-websocket-key',
] as const;

/**
 * Closes every route that is not @Public() to callers without a live session. A call that changes state must not come from a page of
 * another site. If a proxy asks about another request, that request counts.
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
    await this.sessions.extend(session, http.getResponse<FastifyReply>());
    return true;
  }
}

function mayChangeState(context: ExecutionContext, request: AuthenticatedRequest): boolean {
  const forwarded = forwardAuthOf(context);
  if (forwarded === null) return changesState(request);
  return forwardedChangesState(request, forwarded === 'request' ? request.method : undefined);
}

/** Whether the call may change state. */
export function changesState(request: FastifyRequest): boolean {
  return !SAFE.has(request.method);
}

/**
 * Whether the request that a proxy asks about may change state. `own`: the method of the proxy's request, if the proxy keeps the method
 * of its client. A request counts as changing if its method is missing, ambiguous, unknown or may be overridden. The headers are accepted
 * from anyone: a page of another site can send them only after a CORS preflight, which is refused.
 */
export function forwardedChangesState({ headers }: FastifyRequest, own?: string): boolean {
  if (ALTERING_HEADERS.some((name) => headers[name] !== undefined)) return true;
  const named = NAMING_HEADERS.flatMap((name) => headers[name] ?? [])
    .flatMap((value) => value.split(','))
    .map((method) => method.trim());
  const [method, ...others] = own === undefined ? named : [own, ...named];
  return method === undefined || !SAFE.has(method) || others.some((other) => other !== method);
}
