import { Injectable } from '@nestjs/common';
import { Clock } from '../../common/clock.js';
import { ChangeFeed } from './change-feed.js';
import type { FeedFollower } from './change-feed.js';
import { DatabaseClock } from './database-clock.js';
import type { FeedEntry } from './revocation.store.js';

/** Older samples do not count. */
const WINDOW_MS = 15 * 60_000;

/** The newest samples that are kept. */
const MAX_SAMPLES = 1_000;

interface Sample {
  readonly at: number;
  readonly ms: number;
}

/** How long revocations took to reach this node, in milliseconds. Null without revocations within the last 15 minutes. */
export interface PropagationTimes {
  readonly p50: number | null;
  readonly p99: number | null;
  readonly samples: number;
}

/**
 * Measures how long revocations take from the moment when they are written until this node refuses what they revoke. Each poll that
 * reads some gives one sample, of the newest one: a transaction may write many before it commits. What a node reads at its start, or on
 * another server than before, gives none.
 */
@Injectable()
export class Propagation implements FeedFollower {
  private samples: Sample[] = [];
  private newest: number | undefined;
  private readsHistory = false;

  constructor(
    feed: ChangeFeed,
    private readonly databaseClock: DatabaseClock,
    private readonly clock: Clock,
  ) {
    feed.follow(this);
  }

  restarted(): void {
    this.readsHistory = true;
  }

  read(entries: readonly FeedEntry[]): void {
    if (this.readsHistory) return;
    for (const { written } of entries) {
      if (written != null && (this.newest === undefined || written > this.newest)) this.newest = written;
    }
  }

  polled(): void {
    const { newest } = this;
    this.newest = undefined;
    this.readsHistory = false;
    if (newest === undefined) return;
    this.samples.push({ at: this.clock.monotonic(), ms: Math.max(0, this.databaseClock.now() - newest) });
    if (this.samples.length > MAX_SAMPLES) this.samples.shift();
  }

  /** The times of the last 15 minutes. */
  times(): PropagationTimes {
    const from = this.clock.monotonic() - WINDOW_MS;
    this.samples = this.samples.filter(({ at }) => at >= from);
    const sorted = this.samples.map(({ ms }) => ms).toSorted((one, other) => one - other);
    return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99), samples: sorted.length };
  }
}

/** The nearest-rank quantile, in whole milliseconds; null without values. */
function quantile(sorted: readonly number[], share: number): number | null {
  const value = sorted[Math.ceil(share * sorted.length) - 1];
  return value === undefined ? null : Math.round(value);
}
