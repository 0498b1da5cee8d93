import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { VerifiedToken } from '@tandem-auth/verifier/token';
import { BackgroundLoops } from '../../../src/common/background-loops.js';
import type { Database } from '../../../src/database/database.js';
import { ChangeFeed } from '../../../src/tokens/feed/change-feed.js';
import { LEASE_MS } from '../../../src/tokens/feed/lease.js';
import { DatabaseClock } from '../../../src/tokens/feed/database-clock.js';
import { FeedConnection } from '../../../src/tokens/feed/feed-connection.js';
import { RevocationList } from '../../../src/tokens/feed/revocation-list.js';
import { NOTHING_SEEN } from '../../../src/tokens/feed/revocation.store.js';
import type { FeedPage, RevocationStore } from '../../../src/tokens/feed/revocation.store.js';
import { ManualClock } from './manual-clock.js';

const DATABASE_NOW = 1_900_000_000_000;
const SID = { kind: 'sid', subject: 's', epoch: null, expires: DATABASE_NOW + 60_000, xid: 7 } as const;
const token = { claims: { sub: 'u', sid: 's' }, epoch: 0 } as VerifiedToken;

function page(change: Partial<FeedPage> = {}): FeedPage {
  const none = { entries: [], readOnly: false, installation: 'installation' };
  return { ...none, snapshot: '10:10:', now: DATABASE_NOW, versions: {}, ...change };
}

describe('ChangeFeed', () => {
  let clock: ManualClock;
  let databaseClock: DatabaseClock;
  let revocations: RevocationList;
  let feed: ChangeFeed;
  let query: ReturnType<typeof vi.fn>;
  let dropIdle: ReturnType<typeof vi.fn>;
  const read = vi.spyOn(FeedConnection.prototype, 'read');
  const open = vi.spyOn(FeedConnection.prototype, 'open');
  const close = vi.spyOn(FeedConnection.prototype, 'close');

  beforeEach(() => {
    vi.useFakeTimers();
    read.mockReset().mockResolvedValue(page());
    open.mockReset().mockResolvedValue('server');
    close.mockReset();
    clock = new ManualClock();
    query = vi.fn().mockResolvedValue([]);
    dropIdle = vi.fn();
    const database = { query, dropIdle } as unknown as Database;
    const loops = new BackgroundLoops(true);
    databaseClock = new DatabaseClock(clock);
    revocations = new RevocationList(databaseClock, loops);
    feed = new ChangeFeed({} as RevocationStore, database, revocations, databaseClock, clock, loops);
  });

  afterAll(() => vi.restoreAllMocks());

  afterEach(() => {
    feed.onApplicationShutdown();
    vi.useRealTimers();
  });

  it('is stale before its first poll, and complete once it has started', async () => {
    expect(feed.isFresh()).toBe(false);
    read.mockResolvedValueOnce(page({ entries: [SID] }));
    await feed.start();
    expect(feed.isFresh()).toBe(true);
    expect(revocations.isRevoked(token)).toBe(true);
    expect(revocations.size).toBe(1);
    expect(read.mock.calls[0]?.[0]).toBe(NOTHING_SEEN);
  });

  it('is stale a second after its last poll, so that no node accepts a revoked token for longer', async () => {
    await feed.start();
    clock.pass(1_000);
    expect(feed.isFresh()).toBe(false);
  });

  it('starts when the database answers within 15 s', async () => {
    let polls = 0;
    read.mockImplementation(async () => {
      clock.pass(600);
      polls += 1;
      if (polls < 20) throw new Error('timeout');
      return page({ entries: [SID] });
    });
    const started = feed.start();
    await vi.advanceTimersByTimeAsync(15_000);
    await started;
    expect(feed.isFresh()).toBe(true);
    expect(revocations.isRevoked(token)).toBe(true);
  });

  it('does not start if the database does not answer within 15 s', async () => {
    const started = clock.ticks;
    read.mockImplementation(async () => {
      clock.pass(600);
      throw new Error('no route');
    });
    const refused = expect(feed.start()).rejects.toMatchObject({ cause: { message: 'no route' } });
    await vi.advanceTimersByTimeAsync(20_000);
    await refused;
    expect(clock.ticks - started).toBeGreaterThanOrEqual(15_000);
    expect(clock.ticks - started).toBeLessThan(16_000);
    expect(feed.isFresh()).toBe(false);
  });

  it('stops trying to start when the node is stopped', async () => {
    read.mockRejectedValue(new Error('no route'));
    const refused = expect(feed.start()).rejects.toMatchObject({
      cause: { message: 'the node is stopping' },
    });
    await vi.advanceTimersByTimeAsync(100);
    feed.onApplicationShutdown();
    await vi.advanceTimersByTimeAsync(200);
    await refused;
  });

  it('counts the lease from the moment the poll was sent, not from its answer', async () => {
    read.mockImplementationOnce(async () => {
      clock.pass(500);
      return page();
    });
    await feed.untilFresh();
    clock.pass(LEASE_MS - 500 - 1);
    expect(feed.isFresh()).toBe(true);
    clock.pass(1);
    expect(feed.isFresh()).toBe(false);
  });

  it('is stale after the machine slept and the monotonic clock stood still', async () => {
    await feed.untilFresh();
    clock.wall += LEASE_MS;
    expect(feed.isFresh()).toBe(false);
  });

  it('is stale after a pause during which the wall clock was set back', async () => {
    await feed.untilFresh();
    clock.ticks += LEASE_MS;
    expect(feed.isFresh()).toBe(false);
  });

  it('is stale when the wall clock was set back', async () => {
    await feed.untilFresh();
    clock.wall -= LEASE_MS;
    expect(feed.isFresh()).toBe(false);
  });

  it('polls again before it accepts the first request after the machine has slept', async () => {
    await feed.untilFresh();
    clock.pass(60_000);
    read.mockResolvedValueOnce(page({ entries: [SID] }));
    await feed.untilFresh();
    expect(feed.isFresh()).toBe(true);
    expect(revocations.isRevoked(token)).toBe(true);
  });

  it('keeps the database clock right when the wall clock jumps', async () => {
    await feed.untilFresh();
    expect(databaseClock.now()).toBe(DATABASE_NOW);
    clock.pass(100);
    clock.wall -= 3_600_000;
    expect(databaseClock.now()).toBe(DATABASE_NOW + 100);
  });

  it('answers 503 within the timeout while the database does not answer', async () => {
    read.mockImplementation(async () => {
      clock.pass(600);
      throw new Error('timeout');
    });
    const refused = expect(feed.untilFresh()).rejects.toMatchObject({
      code: 'service_unavailable',
      status: 503,
    });
    await vi.advanceTimersByTimeAsync(5_000);
    await refused;
    expect(read.mock.calls.length).toBeLessThanOrEqual(5);
  });

  it('answers 503 if each answer takes longer than the lease', async () => {
    read.mockImplementation(async () => {
      clock.pass(LEASE_MS);
      return page();
    });
    await expect(feed.untilFresh()).rejects.toMatchObject({ status: 503 });
  });

  it('is fresh again when the database answers after a failure', async () => {
    read.mockRejectedValueOnce(new Error('gone'));
    const fresh = feed.untilFresh();
    await vi.advanceTimersByTimeAsync(100);
    await fresh;
    expect(feed.isFresh()).toBe(true);
  });

  it('catches up with a poll that was sent after the call, even if the node is fresh', async () => {
    await feed.untilFresh();
    clock.pass(1);
    read.mockResolvedValueOnce(page({ entries: [SID] }));
    await feed.catchUp();
    expect(revocations.isRevoked(token)).toBe(true);
    clock.pass(1);
    // A poll that is already running may miss what was committed during it.
    clock.pass(LEASE_MS);
    const running = feed.untilFresh();
    clock.pass(1);
    await feed.catchUp();
    await running;
    expect(read).toHaveBeenCalledTimes(4);
  });

  it('reads all pages of a poll, and reads next what its first page did not see', async () => {
    read
      .mockResolvedValueOnce(page({ snapshot: '20:20:', next: '5.7' }))
      .mockImplementationOnce(async () => {
        expect(feed.isFresh()).toBe(false);
        return page({ entries: [SID], snapshot: '30:30:', next: '6.1' });
      })
      .mockResolvedValueOnce(page({ snapshot: '40:40:' }));
    await feed.start();
    expect(revocations.isRevoked(token)).toBe(true);
    clock.pass(1);
    await feed.catchUp();
    expect(read.mock.calls.slice(0, 4)).toEqual([
      [NOTHING_SEEN, undefined],
      [NOTHING_SEEN, '5.7'],
      [NOTHING_SEEN, '6.1'],
      ['20:20:', undefined],
    ]);
  });

  it('stays stale if a page of the poll is missing', async () => {
    read.mockResolvedValueOnce(page({ next: '5.7' })).mockRejectedValueOnce(new Error('lost'));
    const started = feed.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(read).toHaveBeenCalledTimes(2);
    expect(feed.isFresh()).toBe(false);
    await vi.advanceTimersByTimeAsync(200);
    await started;
    expect(feed.isFresh()).toBe(true);
  });

  it('shares one poll among all waiting requests', async () => {
    await Promise.all(Array.from({ length: 100 }, () => feed.untilFresh()));
    expect(read).toHaveBeenCalledTimes(1);
  });

  it('keeps polling after a failed poll, from what the last successful one has seen', async () => {
    await feed.start();
    read
      .mockRejectedValueOnce(new Error('lost'))
      .mockResolvedValueOnce(page({ entries: [SID], snapshot: '20:20:' }));
    await vi.advanceTimersByTimeAsync(700);
    expect(read.mock.calls.slice(0, 4).map(([seen]) => seen)).toEqual([
      NOTHING_SEEN,
      '10:10:',
      '10:10:',
      '20:20:',
    ]);
    expect(revocations.isRevoked(token)).toBe(true);
  });

  it('forgets a revocation when its last token has expired', async () => {
    read.mockImplementation(async () => page({ now: DATABASE_NOW + clock.ticks - 5_000 }));
    read.mockResolvedValueOnce(page({ entries: [SID] }));
    await feed.start();
    clock.pass(59_000);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(revocations.size).toBe(1);
    clock.pass(1_000);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(revocations.size).toBe(0);
  });

  it('refuses a published revocation at once, and sends one hint for several publications', async () => {
    await feed.untilFresh();
    feed.publish([SID]);
    feed.publish([{ ...SID, subject: 't' }]);
    expect(revocations.isRevoked(token)).toBe(true);
    await vi.advanceTimersByTimeAsync(10);
    expect(query).toHaveBeenCalledTimes(1);
    query.mockRejectedValueOnce(new Error('gone'));
    feed.hint();
    await vi.advanceTimersByTimeAsync(10);
    expect(query).toHaveBeenCalledTimes(2);
  });

  it('reloads only the topics that have changed, and before it is fresh', async () => {
    const reload = vi.fn<() => Promise<void>>().mockImplementation(async () => {
      expect(feed.isFresh()).toBe(false);
    });
    feed.subscribe('keys', reload);
    await feed.untilFresh();
    expect(reload).not.toHaveBeenCalled();
    clock.pass(LEASE_MS);
    read.mockResolvedValue(page({ versions: { keys: 1, other: 1 } }));
    await feed.untilFresh();
    clock.pass(LEASE_MS);
    await feed.untilFresh();
    expect(reload).toHaveBeenCalledTimes(1);
  });

  it('stays stale while a reload fails, and retries it', async () => {
    const reload = vi.fn<() => Promise<void>>().mockRejectedValueOnce(new Error('gone')).mockResolvedValue();
    feed.subscribe('keys', reload);
    read.mockResolvedValue(page({ versions: { keys: 1 } }));
    const started = feed.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(reload).toHaveBeenCalledTimes(1);
    expect(feed.isFresh()).toBe(false);
    await vi.advanceTimersByTimeAsync(200);
    await started;
    expect(feed.isFresh()).toBe(true);
    expect(reload).toHaveBeenCalledTimes(2);
  });

  it('reads everything again and reloads every topic when it reaches another server', async () => {
    const reload = vi.fn<() => Promise<void>>().mockResolvedValue();
    feed.subscribe('keys', reload);
    await feed.start();
    clock.pass(LEASE_MS);
    await feed.untilFresh();
    expect(reload).not.toHaveBeenCalled();
    open.mockResolvedValue('promoted');
    read
      .mockResolvedValueOnce(page({ snapshot: '4:4:', next: '3.1' }))
      .mockRejectedValueOnce(new Error('lost'));
    clock.pass(LEASE_MS);
    const fresh = feed.untilFresh();
    await vi.advanceTimersByTimeAsync(50);
    await fresh;
    expect(reload).toHaveBeenCalledTimes(1);
    clock.pass(LEASE_MS);
    read.mockResolvedValue(page({ snapshot: '5:5:' }));
    await feed.untilFresh();
    expect(read.mock.calls).toEqual([
      [NOTHING_SEEN, undefined],
      ['10:10:', undefined],
      [NOTHING_SEEN, undefined],
      [NOTHING_SEEN, '3.1'],
      [NOTHING_SEEN, undefined],
      ['10:10:', undefined],
    ]);
  });

  it('refuses to start on a node that is stopping', async () => {
    feed.onApplicationShutdown();
    await expect(feed.start()).rejects.toMatchObject({ cause: { message: 'the node is stopping' } });
    expect(read).not.toHaveBeenCalled();
  });

  it('stays stale and answers 503 once it is stopped', async () => {
    await feed.start();
    feed.onApplicationShutdown();
    clock.pass(LEASE_MS);
    await expect(feed.untilFresh()).rejects.toMatchObject({ status: 503 });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(read).toHaveBeenCalledTimes(1);
    expect(close).toHaveBeenCalled();
  });
});
