import { Inject, Injectable, Optional } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { AuditStore } from '../../audit/audit.store.js';
import { Database } from '../../database/database.js';
import type { Sql } from '../../database/database.js';
import { RevocationTransaction } from './revocation-transaction.js';
import { REVOCATION_HOOK } from './revocation-hook.js';
import type { RevocationHook } from './revocation-hook.js';
import type { RevocationReason } from './refresh-token.entity.js';
import { RefreshTokenStore, countLive } from './refresh-token.store.js';
import type { TokenFamily } from './token-family.js';
import { ChangeFeed } from '../feed/change-feed.js';
import { RevocationStore } from '../feed/revocation.store.js';

/** How all logins of a user end. */
export interface UserRevocation {
  readonly reason: RevocationReason;
  /** The audit event, and who caused it if not the user. */
  readonly event: string;
  readonly actorId?: string | undefined;
  /** This login goes on, and so do its access tokens. */
  readonly exceptSid?: string | undefined;
  /** This session goes on, with the login that shares its fate. */
  readonly exceptSession?: string | undefined;
  /** Committed together with the ending. */
  readonly alongside?: (sql: Sql) => Promise<void>;
}

/**
 * The one place where logins end. When a method has returned the ending is committed, this node refuses the tokens
 * concerned, and every other node does within a second. Repeating one is safe.
 */
@Injectable()
export class RevocationService {
  constructor(
    private readonly database: Database,
    private readonly families: RefreshTokenStore,
    private readonly revocations: RevocationStore,
    private readonly feed: ChangeFeed,
    private readonly audit: AuditStore,
    @Optional() @Inject(REVOCATION_HOOK) private readonly hook?: RevocationHook,
  ) {}

  /** Ends those of the logins that are live; says how many those were. One audit event for each that had not ended. */
  async revokeFamilies(
    sids: readonly string[],
    reason: RevocationReason,
    event: string,
    origin: Origin,
    actorId?: string,
  ): Promise<number> {
    return this.transaction(async (endings) => {
      const ended = await endings.revokeFamilies(sids, reason);
      const entries = ended.map((login) => ({ event, cause: reason, ...owner(login), actorId }));
      // What the login was given up for is the login, as the audit trail has it.
      if (entries.length === 0 && endings.revokedSessions > 0) {
        const login = await this.families.find(sids[0]!, endings.sql);
        if (login !== undefined) entries.push({ event, cause: reason, ...owner(login), actorId });
      }
      await this.audit.addAll(entries, origin, endings.sql);
      return countLive(ended);
    });
  }

  /**
   * Ends every login of the user that began before; one in the making is refused too, a later one works at once.
   * Says how many were live, whatever else lets the user in included.
   */
  async revokeUser(userId: string, ending: UserRevocation, origin: Origin): Promise<number> {
    const { reason, event, actorId, exceptSid, exceptSession } = ending;
    return this.transaction(async (endings) => {
      const except = { sid: exceptSid, session: exceptSession };
      const ended = countLive(await endings.revokeUser(userId, reason, except)) + endings.revokedSessions;
      await ending.alongside?.(endings.sql);
      const entry = { event, cause: reason, userId, actorId, sid: exceptSid, detail: { ended } };
      await this.audit.add(entry, origin, endings.sql);
      return ended;
    });
  }

  /** Whether that token of a login that has ended was stolen: then everything that came of the login ends. */
  async revokeIfReused(login: TokenFamily, generation: number, origin: Origin): Promise<boolean> {
    if (this.hook === undefined || !(await this.hook.isReused(login, generation))) return false;
    await this.revokeFamilies([login.sid], 'reuse', 'refresh_reused', origin);
    return true;
  }

  /** Whether a login that goes on may do so: whatever else shares its fate has not ended. If it has, the login ends. */
  async mayContinue(login: TokenFamily, origin: Origin): Promise<boolean> {
    if (this.hook === undefined || (await this.hook.mayContinue(login))) return true;
    await this.revokeFamilies([login.sid], 'logout', 'logout', origin);
    return false;
  }

  /** Refuses the user's access tokens of before; the logins live on. `change` is committed with it. */
  async invalidateAccessTokens(userId: string, change: (sql: Sql) => Promise<void>): Promise<void> {
    await this.transaction(async (endings) => {
      await endings.invalidateAccessTokens(userId);
      await change(endings.sql);
    });
  }

  /**
   * Commits what `work` does together with the logins that it ends; rolls back if it throws. Whoever ends something that
   * may have ended on another node already gets its answer when this node knows of it, too.
   */
  async transaction<T>(work: (endings: RevocationTransaction) => Promise<T>): Promise<T> {
    const { endings, result } = await this.database.transaction(async (sql) => {
      const begun = new RevocationTransaction(sql, this.families, this.revocations, this.hook);
      return { result: await work(begun), endings: begun };
    });
    if (endings.entries.length > 0) this.feed.publish(endings.entries);
    if (endings.leftovers.length > 0) await this.hook?.clear(endings.leftovers);
    if (endings.repeated || endings.entries.length === 0) await this.feed.catchUp();
    return result;
  }
}

function owner({ sid, userId }: { readonly sid: string; readonly userId: string }) {
  return { sid, userId };
}
