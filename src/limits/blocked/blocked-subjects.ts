import { Injectable } from '@nestjs/common';
import { isAddressBucket } from '../bucket.js';
import type { Bucket, CounterOwner } from '../bucket.js';
import { counterKey } from '../counter-key.js';
import type { Quota } from '../quota.js';

/** What refuses calls: a bucket, or the wait after many failed logins in a row. */
export type BlockScope = Bucket | 'failed_logins';

/** A counter that has become full. */
export interface FullCounter {
  /** In hex. */
  readonly key: string;
  readonly scope: BlockScope;
  /** The subject of the counter. Only addresses and ids of families are stored as they are. */
  readonly subject: string;
  readonly owner?: CounterOwner | undefined;
  readonly quota: Quota;
  /** Milliseconds until it is no longer full. */
  readonly ms: number;
}

/** A full counter as it is stored. */
export interface NotedBlock {
  readonly key: string;
  readonly scope: BlockScope;
  /** A digest, for a counter whose user is not known. */
  readonly owner: string;
  readonly user_id: string | null;
  /** The token family that the counter counts: its user is the owner. */
  readonly family: string | null;
  readonly address: string | null;
  readonly quota: number;
  readonly window_us: number;
  readonly ms: number;
}

/** Counters of addresses, and as many others, that a node keeps for the next writes. During a flood from more, further ones are not listed. */
const MAX_PENDING = 5_000;

const FAMILIES: ReadonlySet<string> = new Set([
  'device_family',
  'refresh_family',
  'refresh_repeat',
  'downgrade_family',
]);

/** The full counters of this node that are not written yet. No I/O, and bounded. Names and ids of sessions are not kept in plain text. */
@Injectable()
export class BlockedSubjects {
  private readonly addresses = new Map<string, FullCounter>();
  /** A flood from many addresses must hide no account. */
  private readonly others = new Map<string, FullCounter>();

  /** Remembers that a counter is full. Counters of service clients are not listed. */
  add(counter: FullCounter): void {
    if (counter.scope === 'revocation_stream') return;
    const pending = this.pendingLike(counter);
    if (pending.size < MAX_PENDING || pending.has(counter.key)) pending.set(counter.key, counter);
  }

  /**
   * Returns up to `most` of the counters that were added and not taken yet, accounts first. A counter whose user is being looked up waits
   * for that: otherwise the list would never name the user.
   */
  take(most: number): FullCounter[] {
    const taken = [...this.others.values(), ...this.addresses.values()]
      .filter(({ owner }) => owner?.isPending !== true)
      .slice(0, most);
    for (const counter of taken) this.pendingLike(counter).delete(counter.key);
    return taken;
  }

  /** Adds counters that were taken and could not be written. What was added meanwhile is newer and stays. */
  putBack(taken: readonly FullCounter[]): void {
    for (const counter of taken) if (!this.pendingLike(counter).has(counter.key)) this.add(counter);
  }

  private pendingLike({ scope }: FullCounter): Map<string, FullCounter> {
    return isAddressBucket(scope) ? this.addresses : this.others;
  }
}

/** The id of an address, and of a name that no user has. */
export function ownerDigest(kind: 'login' | 'account', subject: string): string {
  return counterKey(kind, subject);
}

/** What is stored of a full counter. */
export function notedBlock({ key, scope, subject, owner, quota, ms }: FullCounter): NotedBlock {
  const isAddress = isAddressBucket(scope);
  return {
    key,
    scope,
    owner: ownerDigest(isAddress ? 'login' : 'account', subject),
    user_id: scope === 'device_user' ? subject : (owner?.userId ?? null),
    family: FAMILIES.has(scope) ? subject.split(' ', 1)[0]! : null,
    address: isAddress ? subject : (owner?.address ?? null),
    quota: quota.limit,
    window_us: quota.windowSeconds * 1_000_000,
    ms,
  };
}
