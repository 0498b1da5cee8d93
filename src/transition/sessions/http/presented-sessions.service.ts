import { Inject, Injectable, Optional } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallbackSessions } from '../callback/callback-sessions.js';
import { RemoteSessions } from '../stores/remote/remote-sessions.js';
import { SessionCookieService } from './session-cookie.service.js';

/** Finds the ids of the sessions that a request carries: in its cookies, or by asking the product what they mean. */
@Injectable()
export class PresentedSessionsService {
  constructor(
    private readonly cookie: SessionCookieService,
    @Optional() @Inject(RemoteSessions) private readonly remote: RemoteSessions | undefined,
  ) {}

  /** The distinct ids. Throws 503 if the product has to say and does not answer. */
  async sidsIn(request: FastifyRequest): Promise<readonly string[]> {
    if (this.remote instanceof CallbackSessions) return this.remote.sidsOf(this.cookie.valuesOf(request));
    return this.cookie.presentedIn(request)?.sids ?? [];
  }
}
