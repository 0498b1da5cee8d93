import { Injectable } from '@nestjs/common';
import type { Origin } from '../audit/audit-context.js';
import { AuditStore } from '../audit/audit.store.js';
import { Clock } from '../common/clock.js';
import { unavailable } from '../common/common.errors.js';
import type { RevocationTransaction } from '../tokens/families/revocation-transaction.js';
import { RevocationService } from '../tokens/families/revocation.service.js';
import { FamilySweepStore } from '../tokens/families/family-sweep.store.js';
import type { FamilyFilter } from '../tokens/families/family-sweep.store.js';
import { countLive } from '../tokens/families/refresh-token.store.js';
import type { RevokedFamily } from '../tokens/families/refresh-token.store.js';
import { AccountStore } from '../users/account.store.js';

/** One transaction locks this many families, so that other requests wait only some tens of milliseconds for it. */
const FAMILIES_PER_BATCH = 250;

/** Each transaction scans the session table, so the batches must not be too small. */
const USERS_PER_BATCH = 1_000;

/** How long to wait for transactions that are writing families. See {@link BulkRevocationService.revokeMatching}. */
const WRITERS_TIMEOUT_MS = 2_000;
const WRITERS_POLL_MS = 10;

const NIL_UUID = '00000000-0000-0000-0000-000000000000';

/** Who revokes, and from where. */
interface Actor {
  readonly actorId: string | undefined;
  readonly origin: Origin;
}

/** Revokes the families that match a filter, in small batches. */
@Injectable()
export class BulkRevocationService {
  constructor(
    private readonly accounts: AccountStore,
    private readonly families: FamilySweepStore,
    private readonly revocations: RevocationService,
    private readonly audit: AuditStore,
    private readonly clock: Clock,
  ) {}

  /**
   * Revokes every family that matches the filter and was opened before the call. Returns how many live families and sessions were revoked.
   * Linked sessions are revoked too; a filter of only roles or users also revokes their unlinked sessions. Each revoked family is audited,
   * and so is the call. Throws 503 if the database fails or a transaction that was opening a family does not end in time. Batches that were
   * committed stay revoked: call again for the rest.
   */
  async revoke(filter: FamilyFilter, origin: Origin, actorId?: string): Promise<number> {
    const actor = { actorId, origin };
    const userWide = filter.issuedBefore === undefined && filter.ip === undefined;
    const batches = userWide ? this.revokeUsers(filter, actor) : this.revokeMatching(filter, actor);
    let revoked = 0;
    let complete = false;
    try {
      for await (const count of batches) revoked += count;
      complete = true;
    } finally {
      await this.auditCall(filter, { revoked, complete }, actor);
    }
    return revoked;
  }

  /** A login in progress finds a higher user epoch and fails, see {@link RevocationTransaction.revokeUser}. */
  private async *revokeUsers(filter: FamilyFilter, actor: Actor): AsyncGenerator<number> {
    let after: string | undefined = NIL_UUID;
    while (after !== undefined) {
      const userIds: string[] = await this.accounts.batch(filter, after, USERS_PER_BATCH);
      yield await this.revokeBatch((revocation) => revocation.revokeUsers(userIds, 'revoke'), actor);
      after = userIds.length < USERS_PER_BATCH ? undefined : userIds.at(-1);
    }
  }

  /**
   * A family that a transaction is still opening is not visible yet, so the sweep waits for such transactions first. If one does not end in
   * time, the visible families are revoked without further delay. A second sweep then covers what that transaction opened.
   */
  private async *revokeMatching(filter: FamilyFilter, actor: Actor): AsyncGenerator<number> {
    const cutOff = await this.families.cutOff(filter.issuedBefore);
    const allVisible = await this.writersEnded();
    yield* this.sweep(filter, cutOff, actor);
    if (allVisible) return;
    if (!(await this.writersEnded()))
      throw unavailable(new Error('a transaction that was opening a token family did not end in time'));
    yield* this.sweep(filter, cutOff, actor);
  }

  private async *sweep(filter: FamilyFilter, cutOff: string, actor: Actor): AsyncGenerator<number> {
    let after: string | undefined = NIL_UUID;
    while (after !== undefined) {
      const { sids, next } = await this.families.find(filter, cutOff, after);
      for (let start = 0; start < sids.length; start += FAMILIES_PER_BATCH) {
        const batch = sids.slice(start, start + FAMILIES_PER_BATCH);
        yield await this.revokeBatch((revocation) => revocation.revokeFamilies(batch, 'revoke'), actor);
      }
      after = next;
    }
  }

  private revokeBatch(
    revoke: (revocation: RevocationTransaction) => Promise<RevokedFamily[]>,
    actor: Actor,
  ): Promise<number> {
    return this.revocations.transaction(async (revocation) => {
      const revoked = await revoke(revocation);
      const event = { event: 'revoke', cause: 'revoke', actorId: actor.actorId };
      const entries = revoked.map(({ sid, userId }) => ({ ...event, sid, userId }));
      await this.audit.addAll(entries, actor.origin, revocation.sql);
      return countLive(revoked) + revocation.revokedSessions;
    });
  }

  /** Waits until every transaction that was writing families has ended. Returns false after the timeout. */
  private async writersEnded(): Promise<boolean> {
    const started = this.clock.monotonic();
    const writing = await this.families.writers();
    for (;;) {
      const still = writing.size === 0 ? writing : await this.families.writers();
      for (const writer of writing) if (!still.has(writer)) writing.delete(writer);
      if (writing.size === 0) return true;
      if (this.clock.monotonic() - started > WRITERS_TIMEOUT_MS) return false;
      await new Promise((resolve) => setTimeout(resolve, WRITERS_POLL_MS));
    }
  }

  private async auditCall(
    { issuedBefore, role, ip, userIds }: FamilyFilter,
    outcome: { readonly revoked: number; readonly complete: boolean },
    { actorId, origin }: Actor,
  ): Promise<void> {
    const filter = { issued_before: issuedBefore?.toISOString(), role, ip, user_ids: userIds };
    await this.audit.add({ event: 'revoke', cause: 'bulk', actorId, detail: { filter, ...outcome } }, origin);
  }
}
