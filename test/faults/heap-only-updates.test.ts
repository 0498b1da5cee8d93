import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_ORIGIN } from '../../src/audit/audit-context.js';
import { termsOf } from '../../src/limits/quota.js';
import { RefreshTokenStore } from '../../src/tokens/families/refresh-token.store.js';
import { RotationStore } from '../../src/tokens/families/rotation.store.js';
import { createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';

const LOGINS = 30;
const ROUNDS = 60;

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
    const rotations = new RotationStore(test.database);
    const terms = termsOf({ limit: 1_000, windowSeconds: 3_600 });
    const callOf = (sid: string) => ({ ...terms, key: Buffer.from(sid) });
    const userId = randomUUID();
    await test.database.query(`INSERT INTO users (id, username, username_key) VALUES ($1, 'u', 'u')`, [
      userId,
    ]);
    const sids = Array.from({ length: LOGINS }, () => randomUUID());
    for (const sid of sids) {
      const lifetimes = { expiry: 600, familyExpiry: 600 };
      const login = { sid, userId, epoch: 0, secret: randomBytes(32), macKey: 'k', ...lifetimes };
      await store.create({ ...login, delivery: 'body', unlinked: true }, 'password', NO_ORIGIN);
    }
    const moved = await atBest(async (generation) => {
      for (const sid of sids) {
        const next = { macKey: 'k', expiry: 600 };
        const rotated = await rotations.rotateCounted({ sid, generation }, next, callOf(sid), NO_ORIGIN);
        expect(rotated?.done).toBeDefined();
      }
    });
    expect(moved).toEqual({ refresh_tokens: 0, rate_limits: 0 });
  });

  /**
   * The fewest updates of each table, of one round of refreshes, that wrote an index. A transaction anywhere on the server can keep
   * room from being reused for a round or more, so one round in which it was free is what shows that no index is in the way.
   */
  async function atBest(refresh: (generation: number) => Promise<void>) {
    const least = { refresh_tokens: Infinity, rate_limits: Infinity };
    const tables = ['refresh_tokens', 'rate_limits'] as const;
    // The first round only adds the rows of the limits.
    await refresh(0);
    for (let round = 1; round <= ROUNDS && Math.max(...Object.values(least)) > 0; round++) {
      const before = await Promise.all(tables.map(counts));
      await refresh(round);
      for (const [index, table] of tables.entries()) {
        const { updates, heapOnly } = await counts(table);
        expect(updates - before[index]!.updates).toBe(LOGINS);
        least[table] = Math.min(least[table], LOGINS - (heapOnly - before[index]!.heapOnly));
      }
    }
    return least;
  }
});
