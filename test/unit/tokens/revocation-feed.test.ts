import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BackgroundLoops } from '../../../src/common/background-loops.js';
import type { Database } from '../../../src/database/database.js';
import type { VerifiedToken } from '../../../src/tokens/access/access-token.js';
import { FeedConnection } from '../../../src/tokens/feed/feed-connection.js';
import { LEASE } from '../../../src/tokens/feed/lease.js';
import { RevocationFeed } from '../../../src/tokens/feed/revocation-feed.js';
import type { FeedPage, RevocationStore } from '../../../src/tokens/feed/revocation.store.js';
import { ManualClock } from './manual-clock.js';

const DATABASE_NOW = 1_900_000_000_000;
const SID = { kind: 'sid', subject: 's', epoch: null, expires: DATABASE_NOW + 60_000 } as const;
const token = { claims: { sub: 'u', sid: 's' }, epoch: 0 } as VerifiedToken;

function page(change: Partial<FeedPage> = {}): FeedPage {
  const none = { entries: [], readOnly: false, state: 'state' };
  return { ...none, horizon: '10', now: DATABASE_NOW, versions: {}, ...change };
}

describe('RevocationFeed', () => {
  let clock: ManualClock;
  let feed: RevocationFeed;
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
    feed = new RevocationFeed({} as RevocationStore, database, clock, new BackgroundLoops(true));
  });

  afterEach(() => {
    feed.onApplicationShutdown();
    vi.useRealTimers();
  });

  it('is not fresh before it has looked, and knows everything once it has started', async () => {
    expect(feed.isFresh()).toBe(false);
    read.mockResolvedValueOnce(page({ entries: [SID] }));
    await feed.start();
    expect(feed.isFresh()).toBe(true);
    expect(feed.isRevoked(token)).toBe(true);
    expect(feed.size).toBe(1);
    expect(read.mock.calls[0]?.[1]).toBe('0');
  });

  it('is stale a second after its last look: no node takes a revoked token for longer', async () => {
    await feed.start();
    clock.pass(1_000);
    expect(feed.isFresh()).toBe(false);
  });

  it('starts once the database answers, if that takes less than 15 s', async () => {
    let looks = 0;
    read.mockImplementation(async () => {
      clock.pass(600);
      looks += 1;
      if (looks < 20) throw new Error('timeout');
      return page({ entries: [SID] });
    });
    const started = feed.start();
    await vi.advanceTimersByTimeAsync(15_000);
    await started;
    expect(feed.isFresh()).toBe(true);
    expect(feed.isRevoked(token)).toBe(true);
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

  it('counts the lease from the moment the look was sent, not from its answer', async () => {
    read.mockImplementationOnce(async () => {
      clock.pass(500);
      return page();
    });
    await feed.fresh();
    clock.pass(LEASE - 500 - 1);
    expect(feed.isFresh()).toBe(true);
    clock.pass(1);
    expect(feed.isFresh()).toBe(false);
  });

  it('is stale after a sleep in which the monotonic clock stood still', async () => {
    await feed.fresh();
    clock.wall += LEASE;
    expect(feed.isFresh()).toBe(false);
  });

  it('is stale after a pause that the wall clock was set back over', async () => {
    await feed.fresh();
    clock.ticks += LEASE;
    expect(feed.isFresh()).toBe(false);
  });

  it('is stale when the wall clock was set back', async () => {
    await feed.fresh();
    clock.wall -= LEASE;
    expect(feed.isFresh()).toBe(false);
  });

  it('judges the first request after waking on what the database says then', async () => {
    await feed.fresh();
    clock.pass(60_000);
    read.mockResolvedValueOnce(page({ entries: [SID] }));
    await feed.fresh();
    expect(feed.isFresh()).toBe(true);
    expect(feed.isRevoked(token)).toBe(true);
  });

  it('tells the time of the database, whatever happens to the wall clock', async () => {
    await feed.fresh();
    expect(feed.now()).toBe(DATABASE_NOW);
    clock.pass(100);
    clock.wall -= 3_600_000;
    expect(feed.now()).toBe(DATABASE_NOW + 100);
  });

  it('fails closed with 503 within its patience while the database does not answer', async () => {
    read.mockImplementation(async () => {
      clock.pass(600);
      throw new Error('timeout');
    });
    const refused = expect(feed.fresh()).rejects.toMatchObject({ code: 'service_unavailable', status: 503 });
    await vi.advanceTimersByTimeAsync(5_000);
    await refused;
    expect(read.mock.calls.length).toBeLessThanOrEqual(5);
  });

  it('fails closed with 503 if answers come too late to be of use', async () => {
    read.mockImplementation(async () => {
      clock.pass(LEASE);
      return page();
    });
    await expect(feed.fresh()).rejects.toMatchObject({ status: 503 });
  });

  it('recovers by itself', async () => {
    read.mockRejectedValueOnce(new Error('gone'));
    const fresh = feed.fresh();
    await vi.advanceTimersByTimeAsync(100);
    await fresh;
    expect(feed.isFresh()).toBe(true);
  });

  it('catches up by a look that was sent after it was asked to, however fresh the last one is', async () => {
    await feed.fresh();
    clock.pass(1);
    read.mockResolvedValueOnce(page({ entries: [SID] }));
    await feed.catchUp();
    expect(feed.isRevoked(token)).toBe(true);
    clock.pass(1);
    // One that is under way may have missed what was committed meanwhile.
    clock.pass(LEASE);
    const running = feed.fresh();
    clock.pass(1);
    await feed.catchUp();
    await running;
    expect(read).toHaveBeenCalledTimes(4);
  });

  it('reads a look that has several pages to its end, and goes on from where the first one was', async () => {
    read
      .mockResolvedValueOnce(page({ horizon: '20', next: '5.7' }))
      .mockImplementationOnce(async () => {
        expect(feed.isFresh()).toBe(false);
        return page({ entries: [SID], horizon: '30', next: '6.1' });
      })
      .mockResolvedValueOnce(page({ horizon: '40' }));
    await feed.start();
    expect(feed.isRevoked(token)).toBe(true);
    clock.pass(1);
    await feed.catchUp();
    expect(read.mock.calls.slice(0, 4).map(([, from]) => from)).toEqual(['0', '5.7', '6.1', '20']);
  });

  it('is not fresh by a look of which a page is missing', async () => {
    read.mockResolvedValueOnce(page({ next: '5.7' })).mockRejectedValueOnce(new Error('lost'));
    const started = feed.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(read).toHaveBeenCalledTimes(2);
    expect(feed.isFresh()).toBe(false);
    await vi.advanceTimersByTimeAsync(200);
    await started;
    expect(feed.isFresh()).toBe(true);
  });

  it('shares one look among all who wait for it', async () => {
    await Promise.all(Array.from({ length: 100 }, () => feed.fresh()));
    expect(read).toHaveBeenCalledTimes(1);
  });

  it('follows by itself, also after a look that failed, from the horizon of the last that did not', async () => {
    await feed.start();
    read
      .mockRejectedValueOnce(new Error('lost'))
      .mockResolvedValueOnce(page({ entries: [SID], horizon: '20' }));
    await vi.advanceTimersByTimeAsync(700);
    expect(read.mock.calls.slice(0, 4).map(([, horizon]) => horizon)).toEqual(['0', '10', '10', '20']);
    expect(feed.isRevoked(token)).toBe(true);
  });

  it('forgets what concerns no valid token any more', async () => {
    read.mockImplementation(async () => page({ now: DATABASE_NOW + clock.ticks - 5_000 }));
    read.mockResolvedValueOnce(page({ entries: [SID] }));
    await feed.start();
    clock.pass(59_000);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(feed.size).toBe(1);
    clock.pass(1_000);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(feed.size).toBe(0);
  });

  it('refuses at once what is published here, and hints the others once for many', async () => {
    await feed.fresh();
    feed.publish([SID]);
    feed.publish([{ ...SID, subject: 't' }]);
    expect(feed.isRevoked(token)).toBe(true);
    await vi.advanceTimersByTimeAsync(10);
    expect(query).toHaveBeenCalledTimes(1);
    query.mockRejectedValueOnce(new Error('gone'));
    feed.announce();
    await vi.advanceTimersByTimeAsync(10);
    expect(query).toHaveBeenCalledTimes(2);
  });

  it('reloads what has changed before it counts as fresh, and only that', async () => {
    const reload = vi.fn<() => Promise<void>>().mockImplementation(async () => {
      expect(feed.isFresh()).toBe(false);
    });
    feed.follow('keys', reload);
    await feed.fresh();
    expect(reload).not.toHaveBeenCalled();
    clock.pass(LEASE);
    read.mockResolvedValue(page({ versions: { keys: 1, other: 1 } }));
    await feed.fresh();
    clock.pass(LEASE);
    await feed.fresh();
    expect(reload).toHaveBeenCalledTimes(1);
  });

  it('is not fresh while a reload fails, and tries it again', async () => {
    const reload = vi.fn<() => Promise<void>>().mockRejectedValueOnce(new Error('gone')).mockResolvedValue();
    feed.follow('keys', reload);
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

  it('reads everything again, and has all reloaded, on another server than before', async () => {
    const reload = vi.fn<() => Promise<void>>().mockResolvedValue();
    feed.follow('keys', reload);
    await feed.start();
    clock.pass(LEASE);
    await feed.fresh();
    expect(reload).not.toHaveBeenCalled();
    open.mockResolvedValue('promoted');
    read.mockResolvedValueOnce(page({ horizon: '4', next: '3.1' })).mockRejectedValueOnce(new Error('lost'));
    clock.pass(LEASE);
    const fresh = feed.fresh();
    await vi.advanceTimersByTimeAsync(50);
    await fresh;
    expect(reload).toHaveBeenCalledTimes(1);
    clock.pass(LEASE);
    read.mockResolvedValue(page({ horizon: '5' }));
    await feed.fresh();
    expect(read.mock.calls.map(([, from]) => from)).toEqual(['0', '10', '0', '3.1', '0', '10']);
  });

  it('does not start on a node that is stopping already', async () => {
    feed.onApplicationShutdown();
    await expect(feed.start()).rejects.toMatchObject({ cause: { message: 'the node is stopping' } });
    expect(read).not.toHaveBeenCalled();
  });

  it('accepts nothing on old knowledge once it is stopped', async () => {
    await feed.start();
    feed.onApplicationShutdown();
    clock.pass(LEASE);
    await expect(feed.fresh()).rejects.toMatchObject({ status: 503 });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(read).toHaveBeenCalledTimes(1);
    expect(close).toHaveBeenCalled();
  });
});
