import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dataSourceOptions } from '../../../src/database/data-source-options.js';
import { Database } from '../../../src/database/database.js';
import { SLOTS } from '../../../src/limits/quota.js';
import { RateLimitStore } from '../../../src/limits/limits.store.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';

const WINDOW = 60;
const MINUTE = 60_000_000;
const WAITING = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;

describe('RateLimitStore', () => {
  let test: TestDatabase;
  let otherNode: DataSource;
  let store: RateLimitStore;
  let otherStore: RateLimitStore;

  beforeAll(async () => {
    test = await createTestDatabase();
    otherNode = await new DataSource(dataSourceOptions(test.url)).initialize();
    store = new RateLimitStore(test.database);
    otherStore = new RateLimitStore(new Database(otherNode));
  });

  afterAll(async () => {
    await otherNode.destroy();
    await test.drop();
  });

  /** Lets so many microseconds pass for one key by moving its log back. */
  async function pass(key: Buffer, us: number): Promise<void> {
    await test.database.query(
      `UPDATE rate_limits SET ends = ARRAY(SELECT e - $2::bigint FROM unnest(ends) AS e),
        expires_at = expires_at - $2 * interval '1 microsecond' WHERE key = $1`,
      [key, Math.round(us)],
    );
  }

  const row = async (key: Buffer) =>
    (
      await test.database.query<{ ends: string[]; hits: number[]; bytes: number }>(
        'SELECT ends, hits, pg_column_size(r) AS bytes FROM rate_limits r WHERE key = $1',
        [key],
      )
    )[0];

  async function consumeSome(key: Buffer, times: number, limit: number): Promise<number> {
    let admitted = 0;
    for (let i = 0; i < times; i++) {
      admitted += (await store.consume(key, 1, { limit, windowSeconds: WINDOW })).admitted;
    }
    return admitted;
  }

  it('admits exactly the limit to 200 parallel calls over two nodes', async () => {
    const key = randomBytes(16);
    const quota = { limit: 10, windowSeconds: WINDOW };
    const calls = Array.from({ length: 200 }, (_, i) => (i % 2 ? store : otherStore).consume(key, 1, quota));
    const admitted = (await Promise.all(calls)).reduce((sum, outcome) => sum + outcome.admitted, 0);
    expect(admitted).toBe(10);
  });

  it('admits only as many calls as the limit allows when one statement counts several', async () => {
    const key = randomBytes(16);
    const quota = { limit: 10, windowSeconds: WINDOW };
    expect(await store.consume(key, 7, quota)).toMatchObject({ admitted: 7, remaining: 3 });
    expect(await store.consume(key, 7, quota)).toMatchObject({ admitted: 3, remaining: 0 });
    expect(await store.consume(key, 7, quota)).toMatchObject({ admitted: 0, remaining: 0 });
    expect(await store.consume(randomBytes(16), 70, quota)).toMatchObject({ admitted: 10, remaining: 0 });
  });

  it('admits one call for each call that has left the window', async () => {
    const key = randomBytes(16);
    const quota = { limit: 10, windowSeconds: WINDOW };
    // All calls of one statement count at one moment, so the time between statements changes no count.
    const take = async (wanted: number) => (await store.consume(key, wanted, quota)).admitted;
    expect(await take(4)).toBe(4);
    await pass(key, 0.75 * MINUTE);
    expect(await take(8)).toBe(6);
    const { admitted, resetMs } = await store.consume(key, 1, quota);
    expect(admitted).toBe(0);
    expect(resetMs).toBeGreaterThan(7_000);
    expect(resetMs).toBeLessThanOrEqual(15_000);
    await pass(key, (resetMs - 5_000) * 1000);
    expect(await take(10)).toBe(0);
    await pass(key, 5_000_000);
    expect(await take(10)).toBe(4);
    await pass(key, 0.76 * MINUTE);
    expect(await take(10)).toBe(6);
  });

  it.each([10, 10 * SLOTS])(
    'refuses every call in a full window of %i calls until its oldest call expires',
    async (limit) => {
      const key = randomBytes(16);
      const quota = { limit, windowSeconds: 3_600 };
      await store.consume(key, limit, quota);
      await pass(key, 59 * MINUTE + 58_000_000);
      expect((await store.consume(key, 1, quota)).admitted).toBe(0);
      await pass(key, 2_000_000 + (limit > SLOTS ? (60 * MINUTE) / SLOTS : 0));
      expect((await store.consume(key, 1, quota)).admitted).toBe(1);
    },
  );

  it('admits a client that kept retrying, because refused calls do not count', async () => {
    const key = randomBytes(16);
    await consumeSome(key, 3, 3);
    for (let second = 0; second < 60; second += 5) {
      expect(await consumeSome(key, 1, 3)).toBe(0);
      await pass(key, MINUTE / 12);
    }
    expect(await consumeSome(key, 3, 3)).toBe(3);
  });

  it.each([3, SLOTS, 3 * SLOTS])(
    'admits at most %i calls in every window of random traffic, and refuses no call below the limit',
    async (limit) => {
      const slot = limit <= SLOTS ? 1 : Math.ceil((WINDOW * 1_000_000) / SLOTS);
      const gap = fc.oneof(
        fc.constant(0),
        fc.integer({ min: 0, max: MINUTE / 4 }),
        fc.integer({ min: MINUTE - 3_000_000, max: MINUTE + 3_000_000 }),
      );
      const arrivals = fc.array(fc.tuple(gap, fc.integer({ min: 1, max: limit })), { maxLength: 25 });
      await fc.assert(
        fc.asyncProperty(arrivals, async (traffic) => {
          const key = randomBytes(16);
          const admissions: { at: number; n: number }[] = [];
          let passed = 0;
          for (const [gone, wanted] of traffic) {
            await pass(key, gone);
            passed += gone;
            const before = performance.now() * 1000 + passed;
            const { admitted } = await store.consume(key, wanted, { limit, windowSeconds: WINDOW });
            const after = performance.now() * 1000 + passed;
            const since = (start: number) =>
              admissions.filter(({ at }) => at > start).reduce((sum, { n }) => sum + n, 0);
            // The node and the database have separate clocks: a call that left during the statement may count or not.
            expect(since(after - MINUTE) + admitted).toBeLessThanOrEqual(limit);
            if (admitted < wanted)
              expect(since(before - MINUTE - slot - 1_000_000) + admitted).toBeGreaterThanOrEqual(limit);
            if (admitted > 0) admissions.push({ at: before, n: admitted });
          }
        }),
        { numRuns: 15 },
      );
    },
  );

  it('keeps the row of a key small for any limit', async () => {
    const key = randomBytes(16);
    const quota = { limit: 1_000_000_000, windowSeconds: WINDOW };
    for (let i = 0; i < 3 * SLOTS; i++) {
      expect((await store.consume(key, 100_000, quota)).admitted).toBe(100_000);
      await pass(key, MINUTE / SLOTS);
    }
    const { ends, bytes } = (await row(key))!;
    expect(ends.length).toBeLessThanOrEqual(SLOTS + 1);
    expect(bytes).toBeLessThan(600);
  });

  it('records when a call was admitted, not when it began to wait for the row', async () => {
    const key = randomBytes(16);
    const quota = { limit: 10, windowSeconds: WINDOW };
    await store.consume(key, 1, quota);
    let waiting: Promise<unknown> = Promise.resolve();
    const released = await test.database.transaction(async (sql) => {
      await sql.query('SELECT 1 FROM rate_limits WHERE key = $1 FOR UPDATE', [key]);
      waiting = otherStore.consume(key, 1, quota);
      await expect.poll(() => test.database.query(WAITING)).toHaveLength(1);
      const [now] = await sql.query<{ us: string }>(
        'SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us',
      );
      return Number(now!.us);
    });
    await waiting;
    expect(Number((await row(key))!.ends.at(-1))).toBeGreaterThan(released);
  });

  it('blocks a key for at most one window after the clock was set back', async () => {
    const key = randomBytes(16);
    const quota = { limit: 2, windowSeconds: WINDOW };
    await store.consume(key, 2, quota);
    await pass(key, -600 * MINUTE);
    const { admitted, resetMs } = await store.consume(key, 1, quota);
    expect(admitted).toBe(0);
    expect(resetMs).toBeLessThanOrEqual(WINDOW * 1000);
  });

  it('refunds each call at most once', async () => {
    const key = randomBytes(16);
    const quota = { limit: 10, windowSeconds: WINDOW };
    const refund = (from: RateLimitStore, calls: number) =>
      from.refund(new Map([[key.toString('hex'), calls]]), quota);
    await refund(store, 1);
    await consumeSome(key, 10, 10);
    await Promise.all([refund(store, 1), refund(otherStore, 2), refund(store, 1)]);
    expect(await consumeSome(key, 10, 10)).toBe(4);
    await Promise.all([refund(store, 9), refund(otherStore, 9)]);
    expect((await row(key))!.ends).toEqual([]);
    expect(await consumeSome(key, 20, 10)).toBe(10);
  });

  it('refunds several calls that one statement counted', async () => {
    const key = randomBytes(16);
    const quota = { limit: 10, windowSeconds: WINDOW };
    await store.consume(key, 3, quota);
    await store.consume(key, 7, quota);
    await store.refund(new Map([[key.toString('hex'), 5]]), quota);
    expect((await row(key))!.hits).toEqual([5]);
    expect(await consumeSome(key, 10, 10)).toBe(5);
  });

  it('refunds many keys from two nodes in any order without a deadlock', async () => {
    const keys = Array.from({ length: 50 }, () => randomBytes(16));
    const quota = { limit: 2, windowSeconds: WINDOW };
    await Promise.all(keys.map((key) => store.consume(key, 2, quota)));
    const calls = keys.map((key) => [key.toString('hex'), 1] as const);
    await Promise.all([
      store.refund(new Map(calls), quota),
      otherStore.refund(new Map(calls.toReversed()), quota),
    ]);
    const free = await Promise.all(keys.map((key) => store.consume(key, 2, quota)));
    expect(free.map(({ admitted }) => admitted)).toEqual(keys.map(() => 2));
  });

  it('applies a changed limit to the calls that were counted before', async () => {
    const key = randomBytes(16);
    await consumeSome(key, 40, 100);
    expect(await consumeSome(key, 1, 10)).toBe(0);
    expect(await consumeSome(key, 60, 50)).toBe(10);
  });

  it('deletes only expired rows, in batches', async () => {
    await store.removeExpired(10_000);
    const keys = Array.from({ length: 5 }, () => randomBytes(16));
    for (const key of keys) await consumeSome(key, 1, 1);
    for (const key of keys.slice(0, 3)) await pass(key, 3 * MINUTE);
    expect(await store.removeExpired(2)).toBe(2);
    expect(await otherStore.removeExpired(2)).toBe(1);
    expect(await store.removeExpired(2)).toBe(0);
    expect(await consumeSome(keys[3]!, 1, 1)).toBe(0);
    expect(await consumeSome(keys[0]!, 1, 1)).toBe(1);
  });
});
