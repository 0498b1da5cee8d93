import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { RateLimitStore } from '../../../src/limits/limits.store.js';
import { RefreshTokenStore } from '../../../src/tokens/refresh-token.store.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';

const LOGINS = 30;
const REFRESHES = 10;

/** Updates of a table, and those of them that wrote no index. */
const COUNTS = `
  SELECT n_tup_upd::int AS updates, n_tup_hot_upd::int AS "heapOnly" FROM pg_stat_user_tables WHERE relname = $1`;

describe('what every refresh updates', () => {
  let test: TestDatabase;
  beforeAll(async () => {
    test = await createTestDatabase();
  });
  afterAll(() => test.drop());

  async function counts(table: string) {
    // Each connection of the pool tells its counts when it is asked to, or a second later.
    const flushed = Array.from({ length: 20 }, () =>
      test.database.query('SELECT pg_stat_force_next_flush()'),
    );
    await Promise.all(flushed);
    const [row] = await test.database.query<{ updates: number; heapOnly: number }>(COUNTS, [table]);
    return row!;
  }

  it('is updated in place: no index grows with the number of refreshes', async () => {
    const store = new RefreshTokenStore(test.database);
    const limits = new RateLimitStore(test.database);
    const userId = randomUUID();
    await test.database.query(`INSERT INTO users (id, username, username_key) VALUES ($1, 'u', 'u')`, [
      userId,
    ]);
    const sids = Array.from({ length: LOGINS }, () => randomUUID());
    for (const sid of sids) {
      const lifetimes = { expiry: 600, familyExpiry: 600 };
      const login = { sid, userId, epoch: 0, secret: randomBytes(32), macKey: 'k', ...lifetimes };
      await store.create({ ...login, delivery: 'body' }, 'password', NO_ORIGIN);
    }
    for (let generation = 0; generation < REFRESHES; generation++) {
      for (const sid of sids) {
        await limits.consume(Buffer.from(sid), 1, { limit: 1_000, windowSeconds: 3_600 });
        expect(await store.rotate(sid, generation, { macKey: 'k', expiry: 600 }, NO_ORIGIN)).toBeDefined();
      }
    }
    const logins = await counts('refresh_tokens');
    expect(logins.updates).toBe(LOGINS * REFRESHES);
    expect(logins.heapOnly).toBe(logins.updates);
    const limited = await counts('rate_limits');
    expect(limited.updates).toBe(LOGINS * (REFRESHES - 1));
    // A row that grows may have to move to another page once or twice.
    expect(limited.heapOnly / limited.updates).toBeGreaterThan(0.9);
  });
});
