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

/** Families that one transaction locks: others wait for it for some tens of milliseconds. */
const LOGINS = 250;

/** Users in one transaction. Each transaction scans the session table, so there must not be too many. */
const USERS = 1_000;

/** Milliseconds to wait, twice, for logins that were being written when the call came. */
const WAIT_MS = 2_000;
const POLL_MS = 10;

const NIL = '00000000-0000-0000-0000-000000000000';

/** Who revokes, and from where. */
interface Actor {
  readonly actorId: string | undefined;
  readonly origin: Origin;
}

/** Revokes the families that match a filter, in small batches. */
@Injectable()
export class BulkRevocation {
  constructor(
    private readonly accounts: AccountStore,
    private readonly logins: FamilySweepStore,
    private readonly revocations: RevocationService,
    private readonly audit: AuditStore,
    private readonly clock: Clock,
  ) {}

  /**
   * Returns how many active families and unlinked sessions were revoked. Matching families that began before the call are revoked when
   * it returns; later ones are not. Linked sessions are revoked too; a filter of users only also revokes unlinked sessions. Each revoked
   * family leaves an audit event, and so does the call, with the filter and the sum. Throws 503 if the database fails meanwhile: what was
   * revoked stays revoked, and repeating the call revokes the rest.
   */
  async revoke(filter: FamilyFilter, origin: Origin, actorId?: string): Promise<number> {
    const actor = { actorId, origin };
    const userWide = filter.issuedBefore === undefined && filter.ip === undefined;
    const ending = userWide ? this.everythingOfUsers(filter, actor) : this.matchingLogins(filter, actor);
    let revoked = 0;
    let complete = false;
    try {
      for await (const count of ending) revoked += count;
      complete = true;
    } finally {
      await this.sumUp(filter, { revoked, complete }, actor);
    }
    return revoked;
  }

  /** A concurrent login finds a higher user epoch and fails, see {@link RevocationTransaction.revokeUser}. */
  private async *everythingOfUsers(filter: FamilyFilter, actor: Actor): AsyncGenerator<number> {
    let after: string | undefined = NIL;
    while (after !== undefined) {
      const userIds: string[] = await this.accounts.batch(filter, after, USERS);
      yield await this.end((endings) => endings.revokeUsers(userIds, 'revoke'), actor);
      after = userIds.length < USERS ? undefined : userIds.at(-1);
    }
  }

  private async *matchingLogins(filter: FamilyFilter, actor: Actor): AsyncGenerator<number> {
    const cutOff = await this.logins.cutOff(filter.issuedBefore);
    const settled = await this.settled();
    yield* this.sweep(filter, cutOff, actor);
    if (settled) return;
    if (!(await this.settled())) throw unavailable(new Error('a login took too long to be written'));
    yield* this.sweep(filter, cutOff, actor);
  }

  private async *sweep(filter: FamilyFilter, cutOff: string, actor: Actor): AsyncGenerator<number> {
    let after: string | undefined = NIL;
    while (after !== undefined) {
      const { sids, next } = await this.logins.find(filter, cutOff, after);
      for (let start = 0; start < sids.length; start += LOGINS) {
        const batch = sids.slice(start, start + LOGINS);
        yield await this.end((endings) => endings.revokeFamilies(batch, 'revoke'), actor);
      }
      after = next;
    }
  }

  private end(
    work: (endings: RevocationTransaction) => Promise<RevokedFamily[]>,
    actor: Actor,
  ): Promise<number> {
    return this.revocations.transaction(async (endings) => {
      const ended = await work(endings);
      const event = { event: 'revoke', cause: 'revoke', actorId: actor.actorId };
      const entries = ended.map(({ sid, userId }) => ({ ...event, sid, userId }));
      await this.audit.addAll(entries, actor.origin, endings.sql);
      return countLive(ended) + endings.revokedSessions;
    });
  }

  /** True once every login that was being written at the call is committed or rolled back. */
  private async settled(): Promise<boolean> {
    const started = this.clock.monotonic();
    const writing = await this.logins.writers();
    for (;;) {
      const still = writing.size === 0 ? writing : await this.logins.writers();
      for (const writer of writing) if (!still.has(writer)) writing.delete(writer);
      if (writing.size === 0) return true;
      if (this.clock.monotonic() - started > WAIT_MS) return false;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  private async sumUp(
    { issuedBefore, role, ip, userIds }: FamilyFilter,
    outcome: { readonly revoked: number; readonly complete: boolean },
    { actorId, origin }: Actor,
  ): Promise<void> {
    const filter = { issued_before: issuedBefore?.toISOString(), role, ip, user_ids: userIds };
    await this.audit.add({ event: 'revoke', cause: 'bulk', actorId, detail: { filter, ...outcome } }, origin);
  }
}
