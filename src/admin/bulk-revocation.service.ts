import { Injectable } from '@nestjs/common';
import type { Origin } from '../audit/audit-context.js';
import { AuditStore } from '../audit/audit.store.js';
import { Clock } from '../common/clock.js';
import { unavailable } from '../common/common.errors.js';
import type { RevocationTransaction } from '../tokens/families/revocation-transaction.js';
import { RevocationService } from '../tokens/families/revocation.service.js';
import { FamilySweepStore } from '../tokens/families/family-sweep.store.js';
import type { FamilyFilter } from '../tokens/families/family-filter.js';
import { countLive } from '../tokens/families/refresh-token.store.js';
import type { RevokedFamily, Revoker } from '../tokens/families/refresh-token.store.js';
import type { Sql } from '../database/database.js';
import { counted } from '../common/text.js';
import { refuseAdmin } from './admin.errors.js';
import { AccountStore } from '../users/account.store.js';

/** One transaction locks this many families, so that other requests wait only some tens of milliseconds for it. */
const FAMILIES_PER_BATCH = 250;

/** Each transaction scans the session table, so the batches must not be too small. */
const USERS_PER_BATCH = 1_000;

/** How long to wait for transactions that are writing families. See {@link BulkRevocationService.revokeMatching}. */
const WRITERS_TIMEOUT_MS = 2_000;
const WRITERS_POLL_MS = 10;

const NIL_UUID = '00000000-0000-0000-0000-000000000000';

/** The conditions of a bulk revocation. Only live families and those whose access tokens may be valid are revoked. */
export type BulkFilter = Omit<FamilyFilter, 'state' | 'reason' | 'externalId' | 'username'>;

/** Who revokes, from where, and how. */
export interface BulkOrder {
  readonly origin: Origin;
  readonly by?: Revoker;
  readonly expectedCount?: number | undefined;
  /** Called with the number of revoked families and sessions after each batch. */
  readonly onProgress?: (revoked: number) => void;
}

/** Revokes one batch. Returns the families that were not revoked before. */
type Batch = (revocation: RevocationTransaction) => Promise<RevokedFamily[]>;

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
   *
   * With `expectedCount`, everything is one transaction. If it would revoke more families and sessions than that, throws 409
   * `more_than_expected` and revokes nothing.
   */
  async revoke(filter: BulkFilter, order: BulkOrder): Promise<number> {
    const { expectedCount, onProgress } = order;
    let revoked = 0;
    let complete = false;
    try {
      if (expectedCount === undefined) {
        for await (const count of this.revokeInBatches(filter, order)) {
          revoked += count;
          onProgress?.(revoked);
        }
      } else revoked = await this.revokeAtMost(expectedCount, filter, order);
      complete = true;
    } finally {
      await this.auditCall(filter, { revoked, complete, expected_count: expectedCount }, order);
    }
    return revoked;
  }

  /** Commits each batch. */
  private async *revokeInBatches(filter: BulkFilter, order: BulkOrder): AsyncGenerator<number> {
    const batches = isUserWide(filter) ? this.usersIn(filter) : this.revokeMatching(filter);
    for await (const batch of batches) {
      yield await this.revocations.transaction(
        async (revocation) => (await this.revokeBatch(batch, revocation, order)) + revocation.revokedSessions,
        { by: order.by ?? {} },
      );
    }
  }

  /** Stops at the first batch that exceeds the count, so a filter that matches far too much locks few rows. */
  private async revokeAtMost(most: number, filter: BulkFilter, order: BulkOrder): Promise<number> {
    const userWide = isUserWide(filter);
    const cutOff = await this.families.cutOff(filter.issuedBefore);
    if (!userWide && !(await this.writersEnded()) && !(await this.writersEnded())) throw writerStillRuns();
    return this.revocations.transaction(
      async (revocation) => {
        const { sql } = revocation;
        let families = 0;
        for await (const batch of userWide ? this.usersIn(filter, sql) : this.sweep(filter, cutOff, sql)) {
          families += await this.revokeBatch(batch, revocation, order);
          if (families + revocation.revokedSessions > most) throw moreThan(most);
          order.onProgress?.(families + revocation.revokedSessions);
        }
        return families + revocation.revokedSessions;
      },
      { by: order.by ?? {} },
    );
  }

  /** A login in progress finds a higher user epoch and fails, see {@link RevocationTransaction.revokeUser}. */
  private async *usersIn(filter: BulkFilter, sql?: Sql): AsyncGenerator<Batch> {
    let after: string | undefined = NIL_UUID;
    while (after !== undefined) {
      const userIds: string[] = await this.accounts.batch(filter, after, USERS_PER_BATCH, sql);
      yield (revocation) => revocation.revokeUsers(userIds, 'revoke');
      after = userIds.length < USERS_PER_BATCH ? undefined : userIds.at(-1);
    }
  }

  /**
   * A family that a transaction is still opening is not visible yet, so the sweep waits for such transactions first. If one does not end in
   * time, the visible families are revoked without further delay. A second sweep then covers what that transaction opened.
   */
  private async *revokeMatching(filter: BulkFilter): AsyncGenerator<Batch> {
    const cutOff = await this.families.cutOff(filter.issuedBefore);
    const allVisible = await this.writersEnded();
    yield* this.sweep(filter, cutOff);
    if (allVisible) return;
    if (!(await this.writersEnded())) throw writerStillRuns();
    yield* this.sweep(filter, cutOff);
  }

  private async *sweep(filter: BulkFilter, cutOff: string, sql?: Sql): AsyncGenerator<Batch> {
    let after: string | undefined = NIL_UUID;
    while (after !== undefined) {
      const { sids, next } = await this.families.find(filter, cutOff, after, sql);
      for (let start = 0; start < sids.length; start += FAMILIES_PER_BATCH) {
        const batch = sids.slice(start, start + FAMILIES_PER_BATCH);
        yield (revocation) => revocation.revokeFamilies(batch, 'revoke');
      }
      after = next;
    }
  }

  /** Returns how many of the revoked families were live. */
  private async revokeBatch(
    revoke: Batch,
    revocation: RevocationTransaction,
    { origin, by }: BulkOrder,
  ): Promise<number> {
    const revoked = await revoke(revocation);
    const event = { event: 'revoke', cause: 'revoke', actorId: by?.actorId };
    const entries = revoked.map(({ sid, userId }) => ({ ...event, sid, userId }));
    await this.audit.addAll(entries, origin, revocation.sql);
    return countLive(revoked);
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
    { issuedSince, issuedBefore, usedSince, usedBefore, role, ip, userIds, userAgent }: BulkFilter,
    outcome: {
      readonly revoked: number;
      readonly complete: boolean;
      readonly expected_count: number | undefined;
    },
    { origin, by }: BulkOrder,
  ): Promise<void> {
    const filter = {
      began_since: issuedSince?.toISOString(),
      issued_before: issuedBefore?.toISOString(),
      used_since: usedSince?.toISOString(),
      used_before: usedBefore?.toISOString(),
      role,
      ip,
      user_ids: userIds,
      user_agent: userAgent,
    };
    const detail = { filter, ...outcome, note: by?.note };
    await this.audit.add({ event: 'revoke', cause: 'bulk', actorId: by?.actorId, detail }, origin);
  }
}

/** Whether the filter has no condition on families. Then all sessions of the users are revoked too. */
function isUserWide({ role: _role, userIds: _userIds, ...ofFamilies }: BulkFilter): boolean {
  return Object.values(ofFamilies).every((value) => value === undefined);
}

function writerStillRuns() {
  return unavailable(new Error('a transaction that was opening a token family did not end in time'));
}

function moreThan(most: number) {
  const detail = `More than ${counted(most, 'family or session', 'families and sessions')} would end. Nobody was revoked`;
  return refuseAdmin('more_than_expected', { detail });
}
