import { beforeEach, describe, expect, it } from 'vitest';
import type { ChangeFeed, FeedFollower } from '../../../src/tokens/feed/change-feed.js';
import { DatabaseClock } from '../../../src/tokens/feed/database-clock.js';
import { Propagation } from '../../../src/tokens/feed/propagation.js';
import type { FeedEntry } from '../../../src/tokens/feed/revocation.store.js';
import { ManualClock } from './manual-clock.js';

const MINUTE = 60_000;

describe('Propagation', () => {
  let clock: ManualClock;
  let databaseClock: DatabaseClock;
  let propagation: Propagation;
  let follower: FeedFollower;
  beforeEach(() => {
    clock = new ManualClock();
    databaseClock = new DatabaseClock(clock);
    const feed = { follow: (given: FeedFollower) => (follower = given) };
    propagation = new Propagation(feed as unknown as ChangeFeed, databaseClock, clock);
  });

  const entry = (written: number | null): FeedEntry => ({
    kind: 'sid',
    subject: 's',
    epoch: null,
    expires: 0,
    xid: 1,
    written,
  });
  /** A poll that reads revocations of these ages, in milliseconds. */
  function poll(...ages: (number | null)[]): void {
    follower.read(ages.map((age) => entry(age === null ? null : databaseClock.now() - age)));
    follower.polled({ asOf: 0, server: '', horizon: 0 });
  }

  it('measures the newest revocation of each poll that reads some', () => {
    poll();
    poll(9_000, 40, 8_000);
    poll(null);
    expect(propagation.times()).toEqual({ p50: 40, p99: 40, samples: 1 });
  });

  it('gives the nearest-rank quantiles', () => {
    for (let age = 1; age <= 200; age++) poll(age);
    expect(propagation.times()).toEqual({ p50: 100, p99: 198, samples: 200 });
  });

  it('does not measure what a node reads at its start', () => {
    follower.restarted();
    poll(3 * MINUTE);
    poll(25);
    expect(propagation.times()).toEqual({ p50: 25, p99: 25, samples: 1 });
  });

  it('counts a failed poll, because the next one reads the same again', () => {
    follower.read([entry(databaseClock.now() - 30)]);
    clock.pass(500);
    poll(530);
    expect(propagation.times().p50).toBe(530);
  });

  it('forgets samples after 15 minutes', () => {
    poll(40);
    clock.pass(15 * MINUTE + 1);
    expect(propagation.times()).toEqual({ p50: null, p99: null, samples: 0 });
  });
});
