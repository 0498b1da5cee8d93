import { Inject, Injectable, Optional } from '@nestjs/common';
import type { Origin } from '../audit/audit-context.js';
import { AuditStore } from '../audit/audit.store.js';
import { Database } from '../database/database.js';
import type { Sql } from '../database/database.js';
import { LOGIN_ENDING } from './login-ending.js';
import type { LoginEnding } from './login-ending.js';
import type { EndReason } from './refresh-token.entity.js';
import { RefreshTokenStore } from './refresh-token.store.js';
import { RevocationFeed } from './revocation-feed.js';
import type { RevocationEntry } from './revocation-set.js';
import { RevocationStore } from './revocation.store.js';

/** How all logins of a user end. */
export interface UserEnding {
  readonly reason: EndReason;
  /** The audit event, and who caused it if not the user. */
  readonly event: string;
  readonly actorId?: string;
  /** This login goes on, and so do its access tokens. */
  readonly exceptSid?: string | undefined;
  /** Committed together with the ending. */
  readonly alongside?: (sql: Sql) => Promise<void>;
}

const NEW_EPOCH = `UPDATE users SET epoch = epoch + 1 WHERE id = $1 RETURNING epoch`;

/**
 * The one place where logins end. When a method has returned the ending is committed, this node refuses the tokens
 * concerned, and every other node does within a second. Repeating one is safe.
 */
@Injectable()
export class LoginEnder {
  constructor(
    private readonly database: Database,
    private readonly logins: RefreshTokenStore,
    private readonly revocations: RevocationStore,
    private readonly feed: RevocationFeed,
    private readonly audit: AuditStore,
    @Optional() @Inject(LOGIN_ENDING) private readonly others?: LoginEnding,
  ) {}

  /** Ends those of the logins that are live; says how many those were. One audit event for each. */
  async endSids(sids: readonly string[], reason: EndReason, event: string, origin: Origin): Promise<number> {
    const entries = await this.database.transaction(async (sql) => {
      const ended = await this.logins.endSids(sql, sids, reason);
      const revoked = await this.revocations.addSids(
        sql,
        ended.map(({ sid }) => sid),
      );
      await this.others?.onEnded(sql, { sids }, reason);
      for (const { sid, userId } of ended)
        await this.audit.add({ event, cause: reason, userId, sid }, origin, sql);
      return revoked;
    });
    this.feed.publish(entries);
    return entries.length;
  }

  /**
   * Ends every login of the user that began before; one in the making is refused too, a later one works at once.
   * Says how many were live.
   */
  async endUser(userId: string, ending: UserEnding, origin: Origin): Promise<number> {
    const { reason, event, actorId, exceptSid } = ending;
    const { entries, ended } = await this.database.transaction(async (sql) => {
      // First the user's row: a login being written holds it shared and is seen by the next statement.
      const epoch = await this.newEpoch(sql, userId);
      const gone = await this.logins.endUser(sql, userId, reason, exceptSid);
      const sids = gone.map(({ sid }) => sid);
      const revoked: RevocationEntry[] = await this.revocations.addSids(sql, sids);
      if (exceptSid === undefined) revoked.push(await this.revocations.addUser(sql, userId, epoch));
      await this.others?.onEnded(sql, { userId, exceptSid }, reason);
      await ending.alongside?.(sql);
      const detail = { ended: gone.length };
      await this.audit.add({ event, cause: reason, userId, actorId, sid: exceptSid, detail }, origin, sql);
      return { entries: revoked, ended: gone.length };
    });
    this.feed.publish(entries);
    return ended;
  }

  /** Refuses the user's access tokens of before; the logins live on. `change` is committed with it. */
  async refuseAccessTokens(userId: string, change: (sql: Sql) => Promise<void>): Promise<void> {
    const entry = await this.database.transaction(async (sql) => {
      const epoch = await this.newEpoch(sql, userId);
      await change(sql);
      return this.revocations.addUser(sql, userId, epoch);
    });
    this.feed.publish([entry]);
  }

  private async newEpoch(sql: Sql, userId: string): Promise<number> {
    const [row] = await sql.query<{ epoch: number }>(NEW_EPOCH, [userId]);
    return row?.epoch ?? 0;
  }
}
