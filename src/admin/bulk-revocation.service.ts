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

/** Logins whose rows one transaction holds: others wait for them some tens of milliseconds. */
const LOGINS = 250;

/** Users in one transaction: a look for their sessions goes through all of these, so it must not happen too often. */
const USERS = 1_000;

/** How long logins that were being written when the call came are waited for, in milliseconds, twice. */
const PATIENCE = 2_000;
const LOOK_EVERY = 10;

const NIL = '00000000-0000-0000-0000-000000000000';

/** Who revokes, and from where. */
interface Actor {
  readonly actorId: string | undefined;
  readonly origin: Origin;
}

/** Ends the logins that match a filter, in batches that keep nobody waiting. */
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
   * Says how many live logins ended, sessions that have none included. What began before the call and matches is over when it returns, what begins later
   * goes on. Sessions end with their logins, and with a filter of users alone also those that have none. Each login that
   * ends leaves an event, the call another with the filter and the sum. Throws 503 when the database fails it on the way:
   * what has ended has ended, and repeating it ends the rest.
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

  /** A login that is being written meanwhile finds another epoch of its user, see {@link RevocationTransaction.revokeUser}. */
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
    if (!(await this.settled())) throw unavailable(new Error('a login has been in the writing for too long'));
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

  /** True once every login that was being written at the call is visible or given up. */
  private async settled(): Promise<boolean> {
    const started = this.clock.monotonic();
    const writing = await this.logins.writers();
    for (;;) {
      const still = writing.size === 0 ? writing : await this.logins.writers();
      for (const writer of writing) if (!still.has(writer)) writing.delete(writer);
      if (writing.size === 0) return true;
      if (this.clock.monotonic() - started > PATIENCE) return false;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
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
