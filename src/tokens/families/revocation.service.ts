import { Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { AuditStore } from '../../audit/audit.store.js';
import { Database } from '../../database/database.js';
import type { Sql } from '../../database/database.js';
import { RevocationTransaction } from './revocation-transaction.js';
import type { RevocationHook } from './revocation-hook.js';
import type { RevocationReason } from './refresh-token.entity.js';
import { RefreshTokenStore, countLive } from './refresh-token.store.js';
import type { Revoker } from './refresh-token.store.js';
import type { TokenFamily } from './token-family.js';
import { WebhookOutbox } from '../../webhooks/webhook-outbox.service.js';
import { ChangeFeed } from '../feed/change-feed.js';
import { RevocationStore } from '../feed/revocation.store.js';

/** How all families and sessions of a user are revoked. */
export interface UserRevocation {
  readonly reason: RevocationReason;
  /** The audit event, and its actor if it is not the user. */
  readonly event: string;
  readonly actorId?: string | undefined;
  /** The family that stays live, with its access tokens. */
  readonly exceptSid?: string | undefined;
  /** The session that stays live, with the family that is linked to it. */
  readonly exceptSession?: string | undefined;
  /** Work that is committed together with the revocation. */
  readonly alongside?: (sql: Sql) => Promise<void>;
}

/**
 * The one place that revokes token families. When a method returns, the revocation is committed and this node refuses the tokens.
 * Every other node refuses them within a second. Every method can be repeated safely.
 */
@Injectable()
export class RevocationService {
  private hook: RevocationHook | undefined;

  constructor(
    private readonly database: Database,
    private readonly families: RefreshTokenStore,
    private readonly revocations: RevocationStore,
    private readonly feed: ChangeFeed,
    private readonly audit: AuditStore,
    private readonly outbox: WebhookOutbox,
  ) {}

  /** Adds the hook that revokes sessions with families. The composition module calls it before the service starts. */
  use(hook: RevocationHook): void {
    this.hook = hook;
  }

  /** Revokes the families and returns how many of them were live. Writes one audit event for each that was not revoked before. */
  async revokeFamilies(
    sids: readonly string[],
    reason: RevocationReason,
    event: string,
    origin: Origin,
    by: Revoker = {},
  ): Promise<number> {
    const { actorId, note } = by;
    const detail = note === undefined ? undefined : { note };
    return this.transaction(
      async (revocation) => {
        const revoked = await revocation.revokeFamilies(sids, reason);
        const entries = revoked.map(({ sid, userId }) => ({
          event,
          cause: reason,
          sid,
          userId,
          actorId,
          detail,
        }));
        // The session that a family was downgraded to is audited under that family.
        if (entries.length === 0 && revocation.revokedSessions > 0) {
          const family = await this.families.find(sids[0]!, revocation.sql);
          if (family !== undefined)
            entries.push({ event, cause: reason, sid: family.sid, userId: family.userId, actorId, detail });
        }
        await this.audit.addAll(entries, origin, revocation.sql);
        return countLive(revoked);
      },
      { by },
    );
  }

  /**
   * Revokes all families and sessions of the user. Refuses a login in progress, too; a later login works at once. Returns how many
   * families and sessions were live.
   */
  async revokeUser(userId: string, options: UserRevocation, origin: Origin): Promise<number> {
    const { reason, event, actorId, exceptSid, exceptSession } = options;
    return this.transaction(
      async (revocation) => {
        const except = { sid: exceptSid, session: exceptSession };
        const families = await revocation.revokeUser(userId, reason, except);
        const ended = countLive(families) + revocation.revokedSessions;
        await options.alongside?.(revocation.sql);
        const entry = { event, cause: reason, userId, actorId, sid: exceptSid, detail: { ended } };
        await this.audit.add(entry, origin, revocation.sql);
        return ended;
      },
      { by: { actorId } },
    );
  }

  /** Whether presenting this token of a revoked family is a reuse. If it is, revokes everything that came from the family. */
  async revokeIfReused(family: TokenFamily, generation: number, origin: Origin): Promise<boolean> {
    if (this.hook === undefined || !(await this.hook.isReused(family, generation))) return false;
    await this.revokeFamilies([family.sid], 'reuse', 'refresh_reused', origin);
    return true;
  }

  /** Whether the family may rotate: the session that is linked to it is live. If it is not, revokes the family. */
  async mayContinue(family: TokenFamily, origin: Origin): Promise<boolean> {
    if (this.hook === undefined || (await this.hook.mayContinue(family))) return true;
    await this.revokeFamilies([family.sid], 'logout', 'logout', origin);
    return false;
  }

  /** Invalidates the user's earlier access tokens. The families stay live. Commits `change` together with it. */
  async invalidateAccessTokens(userId: string, change: (sql: Sql) => Promise<void>): Promise<void> {
    await this.transaction(async (revocation) => {
      await revocation.invalidateAccessTokens([userId]);
      await change(revocation.sql);
    });
  }

  /**
   * Commits `work` together with the families that it revokes; rolls back if it throws. If another node may have revoked one of them
   * before, returns only after this node knows of that revocation, too. `webhooks: false`: writes no event about revoked logins, because
   * the receiver of webhooks has asked for the change. `by`: is stored with the revoked families.
   */
  async transaction<T>(
    work: (revocation: RevocationTransaction) => Promise<T>,
    { webhooks = true, by = {} }: { readonly webhooks?: boolean; readonly by?: Revoker } = {},
  ): Promise<T> {
    const outbox = webhooks ? this.outbox : undefined;
    const { revocation, result } = await this.database.transaction(async (sql) => {
      const opened = new RevocationTransaction(sql, this.families, this.revocations, this.hook, outbox, by);
      return { result: await work(opened), revocation: opened };
    });
    if (revocation.entries.length > 0) this.feed.publish(revocation.entries);
    const { leftovers, revokedUsers } = revocation;
    if (leftovers.length > 0 || revokedUsers) await this.hook?.clear(leftovers);
    if (revocation.repeated || revocation.entries.length === 0) await this.feed.catchUp();
    return result;
  }
}
