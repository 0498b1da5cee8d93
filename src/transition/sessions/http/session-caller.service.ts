import { Inject, Injectable } from '@nestjs/common';
import { bearerIn } from '../../../auth/http/presented-credentials.js';
import type { AuthenticatedRequest } from '../../../auth/principal.js';
import { refuseOtherSites } from '../../../auth/http/request-origin.js';
import { CONFIG } from '../../../config/config.js';
import type { Config } from '../../../config/config.js';
import { DatabaseClock } from '../../../tokens/feed/database-clock.js';
import { refuseToken } from '../../../tokens/tokens.errors.js';
import { RolloutService } from '../../rollout/rollout.service.js';
import { SessionCookieService } from './session-cookie.service.js';
import { SessionStore } from '../stores/session.store.js';
import type { LiveSession } from '../stores/session.store.js';
import { refuseSession } from '../sessions.errors.js';

/** How a call by session is judged. */
export interface SessionCall {
  /** It must not come from another site's page. */
  readonly changesState: boolean;
  /** It is served in a brownout too. */
  readonly always?: boolean;
}

/** Says who calls by a session cookie. */
@Injectable()
export class SessionAuthenticationService {
  constructor(
    private readonly store: SessionStore,
    private readonly cookie: SessionCookieService,
    private readonly rollout: RolloutService,
    private readonly clock: DatabaseClock,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * The session of a request, read from the database each time: one that ended anywhere counts nowhere from then on. It becomes the
   * request's principal. A request with the cookies of several live sessions has none: one may be somebody else's. Throws 401 `sessions_removed`, `sessions_brownout` or `session_invalid`, 403 `cross_site_request`, 503.
   */
  async authenticate(request: AuthenticatedRequest, call: SessionCall): Promise<LiveSession> {
    const [session, ...others] = await this.liveIn(request, call);
    if (session === undefined || others.length > 0) throw refuseSession('session_invalid');
    return admit(request, session);
  }

  /** The same for a route that takes a session alone. A request with a Bearer token is judged by that, so it is none here. */
  requireSession(request: AuthenticatedRequest, call: SessionCall): Promise<LiveSession> {
    this.refuseWithoutCookie(request);
    return this.authenticate(request, call);
  }

  /** All live sessions of a request, at least one. For a route that ends them: whichever of them is the caller's has to end. */
  async identifyAll(request: AuthenticatedRequest, call: SessionCall): Promise<readonly LiveSession[]> {
    this.refuseWithoutCookie(request);
    const sessions = await this.liveIn(request, call);
    if (sessions[0] === undefined) throw refuseSession('session_invalid');
    admit(request, sessions[0]);
    return sessions;
  }

  private async liveIn(
    request: AuthenticatedRequest,
    { changesState, always = false }: SessionCall,
  ): Promise<readonly LiveSession[]> {
    this.refuseWhileOff(always);
    const sids = this.cookie.in(request)?.sids ?? [];
    if (sids.length === 0) return [];
    if (changesState) refuseOtherSites(request, this.config.corsOrigins);
    const sessions = await Promise.all(sids.map((sid) => this.store.live(sid)));
    return sessions.filter((session) => session !== undefined);
  }

  private refuseWithoutCookie(request: AuthenticatedRequest): void {
    const byToken = bearerIn(request.headers.authorization) !== undefined;
    if (byToken) throw refuseSession('session_invalid', { detail: 'A session cookie alone is taken here' });
    if (!this.cookie.isIn(request)) throw refuseToken('token_missing');
  }

  private refuseWhileOff(always: boolean): void {
    if (this.rollout.phase() === 'sessions_removed') throw refuseSession('sessions_removed');
    const brownout = this.rollout.brownout();
    if (brownout === undefined || always) return;
    const seconds = Math.max(1, Math.ceil((brownout.to - this.clock.now()) / 1000));
    throw refuseSession('sessions_brownout', {
      detail: `Sessions are switched off until ${new Date(brownout.to).toISOString()}`,
      headers: { 'Retry-After': String(seconds) },
    });
  }
}

function admit(request: AuthenticatedRequest, session: LiveSession): LiveSession {
  const { sid: sessionId, userId, role, externalId, familyId } = session;
  request.user = Object.freeze({
    userId,
    role,
    externalId,
    sid: familyId ?? undefined,
    sessionId,
    via: 'session',
  });
  return session;
}
