import { describe, expect, it, vi } from 'vitest';
import { Clock } from '../../../src/common/clock.js';
import { Problem } from '../../../src/common/http/problem.js';
import type { Config } from '../../../src/config/config.js';
import { BlockedSubjects, notedBlock } from '../../../src/limits/blocked/blocked-subjects.js';
import { RateLimitService } from '../../../src/limits/limits.service.js';
import type { Consumption, RateLimitStore } from '../../../src/limits/limits.store.js';

/** A store whose statements answer when the test tells them to. */
function aLimiter({ limit = 10 } = {}) {
  const asked: { wanted: number; answer: (c: Consumption) => void; fail: (error: Error) => void }[] = [];
  const store = {
    consume: vi.fn(
      (_key: Buffer, wanted: number) =>
        new Promise<Consumption>((answer, fail) => asked.push({ wanted, answer, fail })),
    ),
    refund: vi.fn((_calls: ReadonlyMap<string, number>) => Promise.resolve()),
  };
  const config = { authRateLimit: limit, authRateWindow: 60 } as Config;
  const blocked = new BlockedSubjects();
  return {
    asked,
    blocked,
    store,
    limiter: new RateLimitService(store as unknown as RateLimitStore, new Clock(), config, blocked),
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('RateLimitService', () => {
  it('runs one statement at a time per subject for any number of calls', async () => {
    const { asked, limiter } = aLimiter();
    const first = limiter.hit('login', 'a');
    const rest = Array.from({ length: 30 }, () => limiter.hit('login', 'a'));
    expect(asked.map(({ wanted }) => wanted)).toEqual([1]);
    asked[0]!.answer({ admitted: 1, remaining: 9, resetMs: 60_000 });
    expect((await first).remaining).toBe(9);
    await settled();
    expect(asked.map(({ wanted }) => wanted)).toEqual([1, 30]);
    asked[1]!.answer({ admitted: 9, remaining: 0, resetMs: 59_000 });
    const outcomes = await Promise.all(rest);
    expect(outcomes.filter(({ allowed }) => allowed).map(({ remaining }) => remaining)).toEqual([
      8, 7, 6, 5, 4, 3, 2, 1, 0,
    ]);
    expect(outcomes.at(-1)).toEqual({
      allowed: false,
      limit: 10,
      windowSeconds: 60,
      remaining: 0,
      resetMs: 59_000,
      retryAfterMs: 59_000,
    });
  });

  it('refuses a blocked subject without a query, and no other subject or bucket', async () => {
    const { asked, store, limiter } = aLimiter();
    const hit = limiter.hit('login', 'a');
    asked[0]!.answer({ admitted: 1, remaining: 0, resetMs: 30_000 });
    await hit;
    const again = await limiter.hit('login', 'a');
    expect(again.allowed).toBe(false);
    expect(again.retryAfterMs).toBeGreaterThan(29_000);
    expect(store.consume).toHaveBeenCalledTimes(1);
    void limiter.hit('login', 'b');
    void limiter.hit('refresh', 'a');
    expect(store.consume).toHaveBeenCalledTimes(3);
  });

  it('lifts a block at a refund, also while the statement that blocks is running', async () => {
    const { asked, limiter } = aLimiter();
    const full = limiter.hit('account', 'a');
    asked[0]!.answer({ admitted: 1, remaining: 0, resetMs: 30_000 });
    await full;
    limiter.refund('account', 'a');
    const late = limiter.hit('account', 'a');
    await settled();
    limiter.refund('account', 'a');
    asked[1]!.answer({ admitted: 0, remaining: 0, resetMs: 30_000 });
    expect((await late).allowed).toBe(false);
    void limiter.hit('account', 'a');
    await settled();
    expect(asked).toHaveLength(3);
  });

  it('writes refunds before it counts the next call of that subject', async () => {
    const { asked, store, limiter } = aLimiter();
    const written = Promise.withResolvers<void>();
    store.refund.mockReturnValueOnce(written.promise);
    limiter.refund('account', 'a');
    limiter.refund('account', 'a');
    limiter.refund('account', 'b');
    void limiter.hit('account', 'a');
    void limiter.hit('account', 'c');
    await settled();
    expect(asked).toHaveLength(1);
    expect([...store.refund.mock.calls[0]![0].values()]).toEqual([2, 1]);
    written.resolve();
    await settled();
    expect(asked).toHaveLength(2);
    expect(store.refund).toHaveBeenCalledTimes(1);
  });

  it('writes pending refunds when the node stops', async () => {
    const { store, limiter } = aLimiter();
    limiter.refund('account', 'a');
    expect(store.refund).not.toHaveBeenCalled();
    await limiter.onApplicationShutdown();
    expect(store.refund).toHaveBeenCalledTimes(1);
  });

  it('rejects all waiting calls when the database fails, and queries again for the next call', async () => {
    const { asked, limiter } = aLimiter();
    const calls = [limiter.hit('login', 'a'), limiter.hit('login', 'a')];
    asked[0]!.fail(new Error('gone'));
    expect((await Promise.allSettled(calls)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    void limiter.hit('login', 'a');
    expect(asked).toHaveLength(2);
  });

  it('refuses with Retry-After and the RateLimit headers', async () => {
    const { asked, limiter } = aLimiter();
    const call = limiter.enforce('login', 'a');
    asked[0]!.answer({ admitted: 0, remaining: 0, resetMs: 1_001 });
    const problem: unknown = await call.catch((error: unknown) => error);
    expect(problem).toBeInstanceOf(Problem);
    expect(problem).toMatchObject({
      code: 'rate_limited',
      status: 429,
      headers: {
        'Retry-After': '2',
        'RateLimit-Policy': '"login";q=10;w=60',
        RateLimit: '"login";r=0;t=2',
        'RateLimit-Limit': '10',
        'RateLimit-Remaining': '0',
        'RateLimit-Reset': '2',
      },
    });
  });

  it('forgets its blocks if it is told to, also one that a running statement brings', async () => {
    const { asked, limiter } = aLimiter();
    const full = limiter.hit('account', 'a');
    asked[0]!.answer({ admitted: 1, remaining: 0, resetMs: 30_000 });
    await full;
    limiter.forgetBlocks();
    const late = limiter.hit('account', 'a');
    await settled();
    limiter.forgetBlocks();
    asked[1]!.answer({ admitted: 0, remaining: 0, resetMs: 30_000 });
    expect((await late).allowed).toBe(false);
    void limiter.hit('account', 'a');
    await settled();
    expect(asked).toHaveLength(3);
  });

  it('notes whose counter is full, but no name and no id of a session', async () => {
    const { asked, blocked, limiter } = aLimiter();
    const hits = [
      limiter.hit('login', '203.0.113.7'),
      limiter.hit('account', 'alice', undefined, { userId: 'u', address: '203.0.113.8' }),
      limiter.hit('device_session', 'sid', undefined, { userId: 'u' }),
      limiter.hit('refresh_repeat', 'f 3'),
      limiter.hit('revocation_stream', 'client'),
    ];
    for (const { answer } of asked) answer({ admitted: 1, remaining: 0, resetMs: 30_000 });
    await Promise.all(hits);
    const noted = blocked.take(100).map(notedBlock);
    expect(noted).toMatchObject([
      { scope: 'account', address: '203.0.113.8', user_id: 'u' },
      { scope: 'device_session', address: null, user_id: 'u' },
      { scope: 'refresh_repeat', family: 'f', user_id: null },
      { scope: 'login', address: '203.0.113.7', user_id: null, family: null, quota: 10, ms: 30_000 },
    ]);
    expect(JSON.stringify(noted)).not.toMatch(/alice|"sid"/);
    expect(blocked.take(100)).toEqual([]);
  });
});
