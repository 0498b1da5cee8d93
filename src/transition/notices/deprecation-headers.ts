import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AuthenticatedRequest } from '../../auth/principal.js';
import type { RefusedRequest } from '../../common/http/problem.filter.js';
import { httpServerOf } from '../../common/http/http.js';
import { DeprecationService } from './deprecation.service.js';

const SESSION_LOGIN = '/api/login';
const NAMES = 'Deprecation, Sunset, Link';

/**
 * From the notice on, adds `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and a `Link` to the guide to each answer for a session: to
 * requests by session, to session logins, and to requests that are refused because sessions are off.
 */
@Injectable()
export class DeprecationHeaders implements OnModuleInit {
  constructor(
    private readonly host: HttpAdapterHost,
    private readonly deprecations: DeprecationService,
  ) {}

  onModuleInit(): void {
    httpServerOf(this.host)?.addHook('onSend', (request, reply, _payload, done) => {
      if (concernsSession(request)) this.write(reply);
      done();
    });
  }

  private write(reply: FastifyReply): void {
    const deprecation = this.deprecations.current();
    if (deprecation === undefined) return;
    const { since, sunsetAt, guideUrl } = deprecation;
    reply.header('Deprecation', `@${Math.floor(since / 1000)}`);
    if (sunsetAt !== null) reply.header('Sunset', new Date(sunsetAt).toUTCString());
    const link = `<${guideUrl}>; rel="deprecation"`;
    const links = reply.getHeader('link');
    reply.header('Link', links === undefined ? link : [links, link].flat().join(', '));
    const exposed = reply.getHeader('access-control-expose-headers');
    if (typeof exposed === 'string') reply.header('Access-Control-Expose-Headers', `${exposed}, ${NAMES}`);
  }
}

function concernsSession(request: FastifyRequest): boolean {
  if ((request as AuthenticatedRequest).user?.via === 'session') return true;
  if (request.routeOptions.url === SESSION_LOGIN) return true;
  const code = (request as RefusedRequest).problem?.code;
  return code === 'sessions_brownout' || code === 'sessions_removed';
}
