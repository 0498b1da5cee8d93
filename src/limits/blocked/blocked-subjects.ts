import { Injectable } from '@nestjs/common';
import { ADDRESS_BUCKETS } from '../bucket.js';
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

/** Counters that a node keeps between two writes. During a flood from more addresses, further ones are not listed. */
const MAX_PENDING = 5_000;

const ADDRESSES: ReadonlySet<string> = new Set(ADDRESS_BUCKETS);

const FAMILIES: ReadonlySet<string> = new Set([
  'device_family',
  'refresh_family',
  'refresh_repeat',
  'downgrade_family',
]);

/** The full counters of this node that are not written yet. No I/O, and bounded. Names and ids of sessions are not kept in plain text. */
@Injectable()
export class BlockedSubjects {
  private pending = new Map<string, FullCounter>();

  /** Remembers that a counter is full. Counters of service clients are not listed. */
  add(counter: FullCounter): void {
    if (counter.scope === 'revocation_stream') return;
    if (this.pending.size < MAX_PENDING || this.pending.has(counter.key))
      this.pending.set(counter.key, counter);
  }

  /** Returns what was added since the last call. */
  take(): FullCounter[] {
    const taken = [...this.pending.values()];
    this.pending = new Map();
    return taken;
  }
}

/** The id of an address, and of a name that no user has. */
export function ownerDigest(kind: 'login' | 'account', subject: string): string {
  return counterKey(kind, subject);
}

/** What is stored of a full counter. */
export function notedBlock({ key, scope, subject, owner, quota, ms }: FullCounter): NotedBlock {
  const isAddress = ADDRESSES.has(scope);
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
