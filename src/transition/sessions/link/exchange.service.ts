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
import { LinkedRevocationStore } from './linked-revocation.store.js';
import { SessionLinkStore } from './session-link.store.js';
import { SessionStore } from '../stores/session.store.js';
import type { LiveSession } from '../stores/session.store.js';
import { refuseSession } from '../sessions.errors.js';

/** Gives tokens for a session. */
@Injectable()
export class ExchangeService {
  constructor(
    private readonly database: Database,
    private readonly sessions: SessionStore,
    private readonly fates: LinkedRevocationStore,
    private readonly links: SessionLinkStore,
    private readonly families: RefreshTokenStore,
    private readonly tokens: RefreshTokenService,
    private readonly rollout: RolloutService,
  ) {}

  /**
   * The login of a session; of any number of calls one begins it, and from then on the two share one fate. Until its first refresh
   * token is used or seen every call gets that one. A session that replaced a family delivered by cookie begins another such family,
   * whatever `delivery` asks for. Throws 401 `session_invalid`, 403 `jwt_not_enabled`, 409 `already_exchanged`.
   */
  async exchange(session: LiveSession, delivery: TokenDelivery, origin: Origin): Promise<OpenedFamily> {
    const { sid, userId, role } = session;
    if (!(await this.rollout.mayHaveTokens({ id: userId, role }))) throw refuseAuth('jwt_not_enabled');
    return this.database.transaction(async (sql) => {
      // Whoever ends a session of the user waits for this, or was before it and is seen by the next statement.
      const user = await this.fates.lockUser(sql, userId);
      const live = await this.sessions.liveIn(sql, sid);
      if (user === undefined || live?.userId !== userId) throw refuseSession('session_invalid');
      if (live.familyId !== null) return this.again(sql, live.familyId);
      const life = live.endsAt === null ? Infinity : (live.endsAt - live.now) / 1000;
      const how = { event: 'exchange', firstUnseen: true, life };
      const kept = (await this.links.isDeliveredByCookie(sql, sid)) ? 'cookie' : delivery;
      const opened = await this.tokens.openWithin(sql, user, kept, how, origin);
      if (opened === undefined) throw refuseSession('session_invalid');
      const { family } = opened;
      if (!(await this.links.link(sql, sid, userId, family.sid))) throw refuseSession('already_exchanged');
      // Not before the row is held does it count: another application may be deleting it.
      if (!(await this.links.hold(sql, sid, userId, family.expiresAt)))
        throw refuseSession('session_invalid');
      return opened;
    });
  }

  private async again(sql: Sql, familyId: string): Promise<OpenedFamily> {
    const login = await this.families.find(familyId, sql);
    const untouched =
      login !== undefined &&
      !login.revoked &&
      !login.expired &&
      login.generation === 0 &&
      login.confirmedGeneration < 0;
    if (!untouched) throw refuseSession('already_exchanged');
    return { family: login, token: this.tokens.tokenOf(login) };
  }
}
