import { Injectable } from '@nestjs/common';
import type { Origin } from '../../../audit/audit-context.js';
import { refuseAuth } from '../../../auth/auth.errors.js';
import { Database } from '../../../database/database.js';
import type { Sql } from '../../../database/database.js';
import type { TokenDelivery } from '../../../tokens/families/refresh-token.entity.js';
import { RefreshTokenService } from '../../../tokens/families/refresh-token.service.js';
import type { OpenedFamily } from '../../../tokens/families/refresh-token.service.js';
import { RefreshTokenStore } from '../../../tokens/families/refresh-token.store.js';
import { RolloutService } from '../../rollout/rollout.service.js';
import { DowngradeStore } from './downgrade.store.js';
import { LinkedRevocationStore } from './linked-revocation.store.js';
import { SessionLinkStore } from './session-link.store.js';
import { SessionStore } from '../stores/session.store.js';
import type { LiveSession } from '../stores/session.store.js';
import { SessionPasswordProofStore } from '../stores/session-password-proof.store.js';
import { refuseSession } from '../sessions.errors.js';

/** Exchanges a session for tokens. */
@Injectable()
export class ExchangeService {
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
  ) {}

  /**
   * The token family of a session. One of any number of calls opens it, and the two are linked from then on. Until its first refresh
   * token is used or seen, every call gets that token. If the session came from a family that was delivered by cookie, this one is too,
   * for any `delivery`. Throws 401 `session_invalid`, 403 `jwt_not_enabled`, 409 `already_exchanged`.
   */
  async exchange(session: LiveSession, delivery: TokenDelivery, origin: Origin): Promise<OpenedFamily> {
    const { sid, userId, role } = session;
    if (!(await this.rollout.isEligible({ id: userId, role }))) throw refuseAuth('jwt_not_enabled');
    return this.database.transaction(async (sql) => {
      // A revocation of the user's sessions waits for this transaction, or comes first and is seen by the next statement.
      const user = await this.linked.lockUser(sql, userId);
      const live = await this.sessions.liveIn(sql, sid);
      if (user === undefined || live?.userId !== userId) throw refuseSession('session_invalid');
      if (live.familyId !== null) return this.repeat(sql, live.familyId);
      const life = live.endsAt === null ? Infinity : (live.endsAt - live.now) / 1000;
      const how = { event: 'exchange', firstUnseen: true, life };
      const kept = (await this.downgrades.isDeliveredByCookie(sql, sid)) ? 'cookie' : delivery;
      const opened = await this.tokens.openWithin(sql, user, kept, how, origin);
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
