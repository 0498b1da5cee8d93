import { Injectable } from '@nestjs/common';
import type { Origin } from '../../../audit/audit-context.js';
import { refuseAuth } from '../../../auth/auth.errors.js';
import { Database } from '../../../database/database.js';
import type { Sql } from '../../../database/database.js';
import { DatabaseUnavailable } from '../../../database/database.errors.js';
import { RateLimitService } from '../../../limits/limits.service.js';
import type { TokenDelivery } from '../../../tokens/families/refresh-token.entity.js';
import { RefreshTokenService } from '../../../tokens/families/refresh-token.service.js';
import type { OpenedFamily } from '../../../tokens/families/refresh-token.service.js';
import { RefreshTokenStore } from '../../../tokens/families/refresh-token.store.js';
import { RolloutService } from '../../rollout/rollout.service.js';
import { DowngradeStore } from './downgrade.store.js';
import { ExchangeStore } from './exchange.store.js';
import type { CountedExchange } from './exchange.store.js';
import { LinkedRevocationStore } from './linked-revocation.store.js';
import { SessionLinkStore } from './session-link.store.js';
import { SessionStore } from '../stores/session.store.js';
import type { LiveSession } from '../stores/session.store.js';
import { SessionPasswordProofStore } from '../stores/session-password-proof.store.js';
import { refuseSession } from '../sessions.errors.js';

/** How the family of an exchange is opened. */
const EXCHANGE = { event: 'exchange', firstUnseen: true } as const;

/** Exchanges a session for tokens. */
@Injectable()
export class ExchangeService {
  /** The exchanges that {@link exchangeOnce} runs, by session. */
  private readonly running = new Map<string, Promise<unknown>>();

  constructor(
    private readonly database: Database,
    private readonly sessions: SessionStore,
    private readonly linked: LinkedRevocationStore,
    private readonly links: SessionLinkStore,
    private readonly downgrades: DowngradeStore,
    private readonly families: RefreshTokenStore,
    private readonly tokens: RefreshTokenService,
    private readonly rollout: RolloutService,
    private readonly proofs: SessionPasswordProofStore,
    private readonly exchanges: ExchangeStore,
    private readonly limiter: RateLimitService,
  ) {}

  /**
   * The token family of a session. One of any number of calls opens it, and the two are linked from then on. Until its first refresh
   * token is used or seen, every call gets that token. If the session came from a family that was delivered by cookie, this one is too,
   * for any `delivery`. The call counts by session, unless it `isCounted` already. Throws 401 `session_invalid`, 403 `jwt_not_enabled`,
   * 409 `already_exchanged`, 429.
   */
  async exchange(
    session: LiveSession,
    delivery: TokenDelivery,
    origin: Origin,
    isCounted = false,
  ): Promise<OpenedFamily> {
    const { sid, userId, role } = session;
    const isEligible = () => this.rollout.isEligible({ id: userId, role });
    const count = () =>
      this.limiter.enforce('exchange_session', sid, undefined, { userId, address: origin.ip });
    // A flag provider is not asked for a session that is known to be over its limit: this throws the 429 from memory.
    if (!isCounted && this.limiter.isBlocked('exchange_session', sid)) await count();
    let eligible = await isEligible();
    const inOneStatement = eligible && !isCounted && this.exchanges.canExchange(session);
    const running = inOneStatement ? this.running.get(sid) : undefined;
    let exchanged: CountedExchange | undefined;
    if (running !== undefined) await this.waitFor(running);
    else if (inOneStatement) exchanged = await this.exchangeOnce(session, delivery, origin);
    const family = exchanged?.family;
    if (family !== undefined) return { family, token: this.tokens.tokenOf(family) };
    if (!isCounted && exchanged === undefined) await count();
    // The rollout may have changed while this call waited.
    if (running !== undefined) eligible = await isEligible();
    if (!eligible) throw refuseAuth('jwt_not_enabled');
    return this.decide(session, delivery, origin);
  }

  /** Waits for the first of the calls for a session. If the database was unavailable to it, the others would only wait for the same. */
  private async waitFor(running: Promise<unknown>): Promise<void> {
    await running.catch((error: unknown) => {
      if (error instanceof DatabaseUnavailable) throw error;
    });
  }

  /**
   * The usual exchange: one statement for the first of the calls for a session on this node. The others wait for it, so that they
   * occupy no connections. Undefined if the statement had nothing to do.
   */
  private exchangeOnce(
    session: LiveSession,
    delivery: TokenDelivery,
    origin: Origin,
  ): Promise<CountedExchange | undefined> {
    const { sid } = session;
    const run = this.countAndExchange(session, delivery, origin).finally(() => this.running.delete(sid));
    this.running.set(sid, run);
    return run;
  }

  private async countAndExchange(
    session: LiveSession,
    delivery: TokenDelivery,
    origin: Origin,
  ): Promise<CountedExchange | undefined> {
    const { sid, userId, epoch } = session;
    const slot = this.limiter.open('exchange_session', sid, { userId, address: origin.ip });
    const family = this.tokens.draft({ id: userId, epoch }, delivery, EXCHANGE);
    return slot.settle(await this.exchanges.exchange(session, family, slot.call, origin));
  }

  /** Decides in a transaction, by what is there now. */
  private decide(session: LiveSession, delivery: TokenDelivery, origin: Origin): Promise<OpenedFamily> {
    const { sid, userId } = session;
    return this.database.transaction(async (sql) => {
      // A revocation of the user's sessions waits for this transaction, or comes first and is seen by the next statement.
      const user = await this.linked.lockUser(sql, userId);
      const live = await this.sessions.liveIn(sql, sid);
      if (user === undefined || live?.userId !== userId) throw refuseSession('session_invalid');
      if (user.role !== session.role && !(await this.rollout.isEligible(user)))
        throw refuseAuth('jwt_not_enabled');
      if (live.familyId !== null) return this.repeat(sql, live.familyId);
      const life = live.endsAt === null ? Infinity : (live.endsAt - live.now) / 1000;
      const kept = (await this.downgrades.isDeliveredByCookie(sql, sid)) ? 'cookie' : delivery;
      const opened = await this.tokens.openWithin(sql, user, kept, { ...EXCHANGE, life }, origin);
      if (opened === undefined) throw refuseSession('session_invalid');
      const { family } = opened;
      if (!(await this.links.link(sql, sid, userId, family.sid))) throw refuseSession('already_exchanged');
      // The exchange counts only once the session is held: another application may be deleting it.
      if (!(await this.sessions.hold(sql, sid, userId, family.expiresAt)))
        throw refuseSession('session_invalid');
      await this.proofs.copyToFamily(sql, sid, family.sid);
      return opened;
    });
  }

  private async repeat(sql: Sql, familyId: string): Promise<OpenedFamily> {
    const family = await this.families.find(familyId, sql);
    const untouched =
      family !== undefined &&
      !family.revoked &&
      !family.expired &&
      family.generation === 0 &&
      family.confirmedGeneration < 0;
    if (!untouched) throw refuseSession('already_exchanged');
    return { family, token: this.tokens.tokenOf(family) };
  }
}
