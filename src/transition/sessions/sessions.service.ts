import { Inject, Injectable, Logger } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Origin } from '../../audit/audit-context.js';
import { AuditStore } from '../../audit/audit.store.js';
import { CONFIG } from '../../config/config.js';
import type { TransitionConfig } from '../transition.settings.js';
import { RevocationService } from '../../tokens/families/revocation.service.js';
import type { TokenFamily } from '../../tokens/families/token-family.js';
import { SessionCookieService } from './http/session-cookie.service.js';
import { LinkedRevocationStore } from './link/linked-revocation.store.js';
import { SessionRowStore } from './stores/session-row.store.js';
import { SessionStore } from './stores/session.store.js';
import type { LiveSession } from './stores/session.store.js';

/** Between two extensions of a session at most, in milliseconds, and as a part of its life. */
const TOUCH_EVERY = 60_000;
const TOUCH_PART = 0.1;

/** How sessions go on, and how they end. */
@Injectable()
export class SessionService {
  private readonly logger = new Logger(SessionService.name);
  private readonly life: number;

  constructor(
    private readonly store: SessionStore,
    private readonly fates: LinkedRevocationStore,
    private readonly rows: SessionRowStore,
    private readonly cookie: SessionCookieService,
    private readonly revocations: RevocationService,
    private readonly audit: AuditStore,
    @Inject(CONFIG) config: TransitionConfig,
  ) {
    this.life = config.sessionExpiry * 1000;
  }

  /** Lets a session that is in use live on, with a write once in a while, and the browser keep its cookie. Never fails. */
  async keep(session: LiveSession, reply: FastifyReply): Promise<void> {
    const { sid, expiresAt, endsAt, now, unseen } = session;
    const wanted = Math.min(now + this.life, endsAt ?? Infinity);
    const unless = wanted - Math.min(TOUCH_EVERY, this.life * TOUCH_PART);
    if (expiresAt >= unless && !unseen) return;
    try {
      if (unseen) await this.fates.see(sid);
      const stored = await this.store.touch(sid, wanted, unless);
      // One without a limit of its own ends with the browser.
      if (typeof stored?.originalMaxAge !== 'number') return;
      this.cookie.set(reply, sid, stored, Math.ceil((wanted - now) / 1000));
    } catch (error) {
      this.logger.warn({ err: error }, 'a session was not extended yet');
    }
  }

  /** A session that was just exchanged has the browser keep its cookie for as long as the login may last. Never fails. */
  async keepWith({ sid, unseen }: LiveSession, login: TokenFamily, reply: FastifyReply): Promise<void> {
    try {
      if (unseen) await this.fates.see(sid);
      const stored = await this.store.cookieOf(sid);
      if (typeof stored?.originalMaxAge !== 'number') return;
      this.cookie.set(reply, sid, stored, Math.ceil((login.absoluteExpiresAt - login.now) / 1000));
    } catch (error) {
      this.logger.warn({ err: error }, 'a session cookie was not renewed');
    }
  }

  /**
   * Ends a session of the user, and the login that shares its fate. When it has returned both are refused: here at once, on
   * other nodes within a second. One audit event, none if the session had ended.
   */
  async end(
    { sid, userId }: Pick<LiveSession, 'sid' | 'userId'>,
    cause: string,
    origin: Origin,
  ): Promise<void> {
    await this.revocations.transaction(async (endings) => {
      const { sql } = endings;
      await this.fates.lockUser(sql, userId);
      const family = await this.fates.familyOf(sql, sid, userId);
      const [login] = family === undefined ? [] : await endings.revokeFamilies([family], 'logout');
      const existed = await this.fates.end(sql, sid, userId);
      endings.leftovers.push(sid);
      if (login === undefined && !existed) return;
      await this.audit.add({ event: 'logout', cause, userId, sid: login?.sid }, origin, sql);
    });
  }

  /** Ends what a genuine cookie stands for, if anything: a session of a user, or one in which nobody has logged in yet. */
  async replace(sid: string, origin: Origin): Promise<void> {
    const session = await this.store.live(sid);
    if (session === undefined) await this.rows.end([sid]);
    else await this.end(session, 'login', origin);
  }
}
