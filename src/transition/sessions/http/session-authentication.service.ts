import { Inject, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { bearerIn } from '../../../auth/http/presented-credentials.js';
import type { AuthenticatedRequest } from '../../../auth/principal.js';
import { refuseOtherSites } from '../../../auth/http/request-origin.js';
import type { DeviceSessions } from '../../../auth/login/known-devices.service.js';
import { Problem } from '../../../common/http/problem.js';
import { CONFIG } from '../../../config/config.js';
import type { Config } from '../../../config/config.js';
import { DatabaseClock } from '../../../tokens/feed/database-clock.js';
import { refuseToken } from '../../../tokens/tokens.errors.js';
import { UsersSourceService } from '../../accounts/users-source.service.js';
import { RolloutService } from '../../rollout/rollout.service.js';
import { PresentedSessionsService } from './presented-sessions.service.js';
import { SessionCookieService } from './session-cookie.service.js';
import { SessionStore } from '../stores/session.store.js';
import type { LiveSession } from '../stores/session.store.js';
import { refuseSession } from '../sessions.errors.js';

/** How strictly a call by session is checked. */
export interface SessionCall {
  /** Whether the call changes state. Then it must not come from a page of another site. */
  readonly changesState: boolean;
  /** Whether the call is served even during a brownout. */
  readonly evenDuringBrownout?: boolean;
}

/** Authenticates callers by a session cookie. */
@Injectable()
export class SessionAuthenticationService implements DeviceSessions {
  constructor(
    private readonly store: SessionStore,
    private readonly cookie: SessionCookieService,
    private readonly presented: PresentedSessionsService,
    private readonly rollout: RolloutService,
    private readonly users: UsersSourceService,
    private readonly clock: DatabaseClock,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Returns the session of a request, which becomes the request's principal. It is read from the database each time, so that a revoked
   * session is refused everywhere at once. A request with the cookies of several live sessions is refused: one may be somebody else's.
   * Throws 401 `sessions_removed`, `sessions_brownout` or `session_invalid`, 403 `cross_site_request`, 503.
   */
  async authenticate(request: AuthenticatedRequest, call: SessionCall): Promise<LiveSession> {
    const [session, ...others] = await this.liveIn(request, call);
    if (session === undefined || others.length > 0) throw refuseSession('session_invalid');
    return admit(request, session);
  }

  /** Authenticates like {@link authenticate}, for a route that takes only sessions: a request with a Bearer token is refused. */
  requireSession(request: AuthenticatedRequest, call: SessionCall): Promise<LiveSession> {
    this.refuseWithoutCookie(request);
    return this.authenticate(request, call);
  }

  /** All live sessions of a request, at least one. For logout: each of them may be the caller's, so all are revoked. */
  async authenticateAll(request: AuthenticatedRequest, call: SessionCall): Promise<readonly LiveSession[]> {
    this.refuseWithoutCookie(request);
    const sessions = await this.liveIn(request, call);
    if (sessions[0] === undefined) throw refuseSession('session_invalid');
    admit(request, sessions[0]);
    return sessions;
  }

  /** Whether the product owns the user of the session. Then {@link confirmUser} asks it. */
  mustConfirm(session: LiveSession): boolean {
    return this.users.owns(session);
  }

  /** Asks the product for the user of the session. Throws 401 `session_invalid`, 503. */
  async confirmUser(session: LiveSession): Promise<void> {
    if ((await this.users.ask(session.externalId!)) === 'same') return;
    if ((await this.store.live(session.sid)) === undefined) throw refuseSession('session_invalid');
  }

  /** Whether the request carries a session that this service signed. No I/O. */
  mayHave(request: FastifyRequest): boolean {
    return this.cookie.mayBeIn(request);
  }

  /** The live sessions among the first `most` of the request. None while the product's store does not answer. */
  async find(request: FastifyRequest, most: number): Promise<readonly LiveSession[]> {
    try {
      return await this.liveOf((await this.presented.sidsIn(request)).slice(0, most));
    } catch (error) {
      if (error instanceof Problem && error.getStatus() === 503) return [];
      throw error;
    }
  }

  private async liveIn(
    request: AuthenticatedRequest,
    { changesState, evenDuringBrownout = false }: SessionCall,
  ): Promise<readonly LiveSession[]> {
    this.refuseWhileOff(evenDuringBrownout);
    if (!this.cookie.mayBeIn(request)) return [];
    if (changesState) refuseOtherSites(request, this.config.corsOrigins);
    const sids = await this.presented.sidsIn(request);
    const sessions = await Promise.all(sids.map((sid) => this.confirmed(sid)));
    return sessions.filter((session) => session !== undefined);
  }

  /** A live session. As long as the product owns the users, it has confirmed the session's user within a minute. */
  private async confirmed(sid: string): Promise<LiveSession | undefined> {
    const session = await this.store.live(sid);
    if (!this.users.isSet) return session;
    if (session === undefined) {
      const name = await this.store.userNamedBy(sid);
      return name !== undefined && (await this.users.admit(name)) ? this.store.live(sid) : undefined;
    }
    if (!this.users.owns(session)) return session;
    return (await this.users.confirm(session.externalId!)) === 'same' ? session : this.store.live(sid);
  }

  private async liveOf(sids: readonly string[]): Promise<readonly LiveSession[]> {
    const sessions = await Promise.all(sids.map((sid) => this.store.live(sid)));
    return sessions.filter((session) => session !== undefined);
  }

  private refuseWithoutCookie(request: AuthenticatedRequest): void {
    const byToken = bearerIn(request.headers.authorization) !== undefined;
    if (byToken) throw refuseSession('session_invalid', { detail: 'This call takes a session cookie only' });
    if (!this.cookie.isIn(request)) throw refuseToken('token_missing');
  }

  private refuseWhileOff(evenDuringBrownout: boolean): void {
    if (this.rollout.phase() === 'sessions_removed') throw refuseSession('sessions_removed');
    const brownout = this.rollout.brownout();
    if (brownout === undefined || evenDuringBrownout) return;
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
