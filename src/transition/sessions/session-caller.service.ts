import { Inject, Injectable } from '@nestjs/common';
import { bearerIn } from '../../auth/bearer.js';
import type { AuthenticatedRequest } from '../../auth/authenticated-request.js';
import { refuseOtherSites } from '../../auth/other-site.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { RevocationFeed } from '../../tokens/revocation-feed.js';
import { refuseToken } from '../../tokens/tokens.errors.js';
import { Rollout } from '../rollout/rollout.service.js';
import { SessionCookie } from './session-cookie.service.js';
import { SessionStore } from './session.store.js';
import type { LiveSession } from './session.store.js';
import { refuseSession } from './sessions.errors.js';

/** How a call by session is judged. */
export interface SessionCall {
  /** It must not come from another site's page. */
  readonly changesState: boolean;
  /** It is served in a brownout too. */
  readonly always?: boolean;
}

/** Says who calls by a session cookie. */
@Injectable()
export class SessionCaller {
  constructor(
    private readonly store: SessionStore,
    private readonly cookie: SessionCookie,
    private readonly rollout: Rollout,
    private readonly feed: RevocationFeed,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * The session of a request, read from the database each time: one that ended anywhere counts nowhere from then on. It becomes the
   * request's principal. Throws 401 `sessions_removed`, `sessions_brownout` or `session_invalid`, 403 `cross_site_request`, 503.
   */
  async identify(
    request: AuthenticatedRequest,
    { changesState, always = false }: SessionCall,
  ): Promise<LiveSession> {
    this.refuseWhileOff(always);
    const sid = this.cookie.in(request)?.sid;
    if (sid === undefined) throw refuseSession('session_invalid');
    if (changesState) refuseOtherSites(request, this.config.corsOrigins);
    const session = await this.store.live(sid);
    if (session === undefined) throw refuseSession('session_invalid');
    const { userId, role, externalId, familyId } = session;
    request.user = Object.freeze({
      userId,
      role,
      externalId,
      sid: familyId ?? undefined,
      sessionId: sid,
      via: 'session',
    });
    return session;
  }

  /** The same for a route that takes a session alone. A request with a Bearer token is judged by that, so it is none here. */
  identifyAlone(request: AuthenticatedRequest, call: SessionCall): Promise<LiveSession> {
    const byToken = bearerIn(request.headers.authorization) !== undefined;
    if (byToken) throw refuseSession('session_invalid', { detail: 'A session cookie alone is taken here' });
    if (this.cookie.in(request) === undefined) throw refuseToken('token_missing');
    return this.identify(request, call);
  }

  private refuseWhileOff(always: boolean): void {
    if (this.rollout.phase() === 'sessions_removed') throw refuseSession('sessions_removed');
    const brownout = this.rollout.brownout();
    if (brownout === undefined || always) return;
    const seconds = Math.max(1, Math.ceil((brownout.to - this.feed.now()) / 1000));
    throw refuseSession('sessions_brownout', {
      detail: `Sessions are switched off until ${new Date(brownout.to).toISOString()}`,
      headers: { 'Retry-After': String(seconds) },
    });
  }
}
