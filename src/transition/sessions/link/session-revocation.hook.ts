import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../../config/config.js';
import type { Config } from '../../../config/config.js';
import type { Sql } from '../../../database/database.js';
import type { AlsoRevoked, RevokedSet, RevocationHook } from '../../../tokens/families/revocation-hook.js';
import type { TokenFamily } from '../../../tokens/families/token-family.js';
import { LinkedRevocationStore } from './linked-revocation.store.js';
import { DowngradeStore, isReused } from './downgrade.store.js';
import { SessionStore } from '../stores/session.store.js';

/** Revokes a session together with its linked family, and together with everything else of its user. */
@Injectable()
export class SessionRevocationHook implements RevocationHook {
  constructor(
    private readonly linked: LinkedRevocationStore,
    private readonly sessions: SessionStore,
    private readonly downgrades: DowngradeStore,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  successorsOf(sql: Sql, sids: readonly string[]): Promise<readonly string[]> {
    return this.linked.successorsOf(sql, sids);
  }

  async onRevoked(sql: Sql, revoked: RevokedSet): Promise<AlsoRevoked> {
    if ('sids' in revoked) return this.linked.revokeLinkedTo(sql, revoked.sids);
    await this.sessions.refuseUnseen(sql, revoked.userIds);
    return this.linked.revokeSessionsOf(sql, revoked.userIds, revoked.except ?? {});
  }

  clear(sids: readonly string[]): Promise<void> {
    return this.sessions.clear(sids);
  }

  async isReused({ sid }: TokenFamily, generation: number): Promise<boolean> {
    const session = await this.downgrades.sessionOf(sid);
    return session !== undefined && isReused(session, generation, this.config);
  }

  /** Extends the session, which has to live as long as the family. A session that has expired by itself stays expired. */
  async mayContinue({ sid, now, absoluteExpiresAt }: TokenFamily): Promise<boolean> {
    const state = await this.sessions.stateOf(sid);
    if (state === undefined) return true;
    if (state.lost) return false;
    const until = Math.min(now + this.config.refreshTokenExpiry * 1000, absoluteExpiresAt);
    if (state.live) await this.sessions.extend([{ sid: state.sid, until: new Date(until) }]);
    return true;
  }

  linkedFamilyOf(sql: Sql, session: string): Promise<string | undefined> {
    return this.linked.linkedFamilyOf(sql, session);
  }
}
