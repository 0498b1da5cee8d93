import { Inject, Injectable, Logger } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Origin } from '../../audit/audit-context.js';
import { AuditStore } from '../../audit/audit.store.js';
import { CONFIG } from '../../config/config.js';
import type { TransitionConfig } from '../transition.settings.js';
import { RevocationService } from '../../tokens/families/revocation.service.js';
import type { Revoker } from '../../tokens/families/refresh-token.store.js';
import type { TokenFamily } from '../../tokens/families/token-family.js';
import { SessionCookieService } from './http/session-cookie.service.js';
import { LinkedRevocationStore } from './link/linked-revocation.store.js';
import { SessionStore } from './stores/session.store.js';
import type { LiveSession } from './stores/session.store.js';

/** A session is extended once in this time, or in this part of its life if that is shorter. */
const EXTEND_INTERVAL_MS = 60_000;
const EXTEND_PART = 0.1;

/** The life of a session whose cookie has no maximum age: connect-pg-simple gives it a day too. */
const LONGEST_WITHOUT_AGE_MS = 86_400_000;

/** Ten years: PostgreSQL cannot store every number that a product may write. */
const LONGEST_AGE_MS = 10 * 31_536_000_000;

/** Extends and revokes sessions. */
@Injectable()
export class SessionService {
  private readonly logger = new Logger(SessionService.name);
  private readonly lifeWithoutAge: number;

  constructor(
    private readonly store: SessionStore,
    private readonly linked: LinkedRevocationStore,
    private readonly cookie: SessionCookieService,
    private readonly revocations: RevocationService,
    private readonly audit: AuditStore,
    @Inject(CONFIG) config: TransitionConfig,
  ) {
    this.lifeWithoutAge = Math.min(config.sessionExpiry * 1000, LONGEST_WITHOUT_AGE_MS);
  }

  /**
   * Extends a session that is in use, and the cookie in the browser, with a write once a minute at most. The session lives as long as
   * express-session would let it live: its own maximum age from now. Never throws.
   */
  async extend(session: LiveSession, reply: FastifyReply): Promise<void> {
    const { sid, expiresAt, endsAt, now, unseen } = session;
    const life = this.lifeOf(session);
    const wanted = Math.min(now + life, endsAt ?? Infinity);
    const unless = wanted - Math.min(EXTEND_INTERVAL_MS, life * EXTEND_PART);
    if (expiresAt >= unless && !unseen) return;
    try {
      if (unseen) await this.linked.markSeen(sid);
      const stored = await this.store.touch(sid, wanted, unless);
      // A cookie without a maximum age ends with the browser.
      if (typeof stored?.originalMaxAge !== 'number') return;
      this.cookie.set(reply, sid, stored, Math.ceil((wanted - now) / 1000));
    } catch (error) {
      this.logger.warn({ err: error }, 'failed to extend a session; its next use will retry');
    }
  }

  /** How long a use extends the session, in milliseconds. */
  lifeOf({ maxAge }: Pick<LiveSession, 'maxAge'>): number {
    return maxAge === null ? this.lifeWithoutAge : Math.min(Math.max(maxAge, 0), LONGEST_AGE_MS);
  }

  /** Lets the browser keep the cookie of a session that was just exchanged for as long as the family may live. Never throws. */
  async extendWithFamily(
    { sid, cookie, unseen }: LiveSession,
    family: TokenFamily,
    reply: FastifyReply,
  ): Promise<void> {
    try {
      if (unseen) await this.linked.markSeen(sid);
      if (typeof cookie.originalMaxAge !== 'number') return;
      this.cookie.set(reply, sid, cookie, Math.ceil((family.absoluteExpiresAt - family.now) / 1000));
    } catch (error) {
      this.logger.warn({ err: error }, 'a session cookie was not renewed');
    }
  }

  /**
   * Revokes a session of the user and its linked family. After it returns, both are refused: here at once, on other nodes within a
   * second. Adds one audit event, or none if the session was revoked before. `by`: the administrator who revokes it.
   */
  async revoke(
    { sid, userId }: Pick<LiveSession, 'sid' | 'userId'>,
    cause: string,
    origin: Origin,
    by: Revoker = {},
  ): Promise<void> {
    const { actorId, note } = by;
    const event = actorId === undefined ? 'logout' : 'revoke';
    await this.revocations.transaction(
      async (revocation) => {
        const { sql } = revocation;
        await this.linked.lockUser(sql, userId);
        const familyId = await this.linked.exchangedFamilyOf(sql, sid, userId);
        const [family] = familyId === undefined ? [] : await revocation.revokeFamilies([familyId], event);
        const existed = await this.linked.revokeSession(sql, sid, userId);
        revocation.leftovers.push(sid);
        if (family === undefined && !existed) return;
        const detail = note === undefined ? undefined : { note };
        await this.audit.add({ event, cause, userId, actorId, sid: family?.sid, detail }, origin, sql);
      },
      { by },
    );
  }

  /** Revokes a session of the caller, and clears its cookie. */
  async logOut(session: LiveSession, origin: Origin, reply: FastifyReply): Promise<void> {
    await this.revoke(session, 'logout', origin);
    this.cookie.clear(reply, session.cookie);
  }

  /** Revokes the session of a cookie that we signed. It may be a session without a login, or none. */
  async revokePresented(sid: string, origin: Origin): Promise<void> {
    const session = await this.store.live(sid);
    if (session === undefined) await this.store.remove([sid]);
    else await this.revoke(session, 'login', origin);
  }
}
