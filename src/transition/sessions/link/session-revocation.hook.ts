import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../../config/config.js';
import type { Config } from '../../../config/config.js';
import type { Sql } from '../../../database/database.js';
import type { AlsoRevoked, RevokedSet, RevocationHook } from '../../../tokens/families/revocation-hook.js';
import type { TokenFamily } from '../../../tokens/families/token-family.js';
import { LinkedRevocationStore } from './linked-revocation.store.js';
import { isReused } from './downgraded-session.js';
import { SessionLinkStore } from './session-link.store.js';
import { SessionRowStore } from '../stores/session-row.store.js';

/** Sessions share the fate of the logins that they were exchanged for, and end with everything else of their user. */
@Injectable()
export class SessionRevocationHook implements RevocationHook {
  constructor(
    private readonly fates: LinkedRevocationStore,
    private readonly links: SessionLinkStore,
    private readonly rows: SessionRowStore,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  successorsOf(sql: Sql, sids: readonly string[]): Promise<readonly string[]> {
    return this.fates.successorsOf(sql, sids);
  }

  onRevoked(sql: Sql, ended: RevokedSet): Promise<AlsoRevoked> {
    if ('sids' in ended) return this.fates.endOfFamilies(sql, ended.sids);
    return this.fates.endOfUsers(sql, ended.userIds, ended.except ?? {});
  }

  clear(sids: readonly string[]): Promise<void> {
    return this.rows.end(sids);
  }

  async isReused({ sid }: TokenFamily, generation: number): Promise<boolean> {
    const replacement = await this.links.replacementOf(sid);
    return replacement !== undefined && isReused(replacement, generation, this.config);
  }

  /** The session lives as long as the login, so it is extended with it; once it has expired for itself it is left alone. */
  async mayContinue({ sid, now, absoluteExpiresAt }: TokenFamily): Promise<boolean> {
    const state = await this.links.stateOf(sid);
    if (state === undefined) return true;
    if (state.lost) return false;
    const until = Math.min(now + this.config.refreshTokenExpiry * 1000, absoluteExpiresAt);
    if (state.live) await this.rows.extend([{ sid: state.sid, until: new Date(until) }]);
    return true;
  }

  linkedFamilyOf(sql: Sql, session: string): Promise<string | undefined> {
    return this.fates.linkedFamilyOf(sql, session);
  }
}
