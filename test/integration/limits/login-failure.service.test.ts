import { randomUUID } from 'node:crypto';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Problem } from '../../../src/common/http/problem.js';
import { dataSourceOptions } from '../../../src/database/data-source-options.js';
import { Database } from '../../../src/database/database.js';
import { BlockedSubjects } from '../../../src/limits/blocked/blocked-subjects.js';
import { LoginFailureStore } from '../../../src/limits/login-failure.store.js';
import { LoginFailureService } from '../../../src/limits/login-failure.service.js';
import type { LoginAttempt } from '../../../src/limits/login-failure.service.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';

const FREE = 100;

describe('LoginFailureService', () => {
  let db: TestDatabase;
  let otherNode: DataSource;
  let failures: LoginFailureService;
  let elsewhere: LoginFailureService;

  beforeAll(async () => {
    db = await createTestDatabase();
    otherNode = await new DataSource(dataSourceOptions(db.url)).initialize();
    failures = new LoginFailureService(new LoginFailureStore(db.database), new BlockedSubjects());
    elsewhere = new LoginFailureService(
      new LoginFailureStore(new Database(otherNode)),
      new BlockedSubjects(),
    );
  });
  afterAll(async () => {
    await otherNode.destroy();
    await db.drop();
  });

  const anAccount = () => `account-${randomUUID()}`;

  async function fail(account: string, times = 1): Promise<void> {
    for (let i = 0; i < times; i++) await (await failures.begin(account)).failed();
  }

  /** Seconds until the next attempt; 0 if one was admitted, which is then cancelled. */
  async function waitOf(account: string, on = failures): Promise<number> {
    try {
      await (await on.begin(account)).cancelled();
      return 0;
    } catch (error) {
      if (!(error instanceof Problem) || error.getStatus() !== 429) throw error;
      return Number(error.headers['Retry-After']);
    }
  }

  /** Lets so many seconds pass for all accounts by moving their rows back. */
  const pass = (seconds: number) =>
    db.database.query(
      `UPDATE login_failures SET retry_at = retry_at - make_interval(secs => $1), expires_at = expires_at - make_interval(secs => $1)`,
      [seconds],
    );

  it('admits a hundred consecutive failures without a wait, and then lets each wait longer, up to an hour', async () => {
    const account = anAccount();
    await fail(account, FREE - 1);
    expect(await waitOf(account)).toBe(0);
    await fail(account);
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      waits.push(await waitOf(account, i % 2 === 0 ? failures : elsewhere));
      await pass(3_600);
      await fail(account);
    }
    expect(waits).toEqual([60, 120, 240, 480, 960, 1920, 3600, 3600]);
    expect(await waitOf(anAccount())).toBe(0);
  });

  it('admits one of many simultaneous attempts when a wait is over, on all nodes together', async () => {
    const account = anAccount();
    await fail(account, FREE);
    await pass(60);
    const attempts = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => (index % 2 ? failures : elsewhere).begin(account)),
    );
    expect(attempts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('resets the failures when a login succeeds, also after a wait', async () => {
    const account = anAccount();
    await fail(account, FREE);
    await pass(60);
    await (await failures.begin(account)).succeeded();
    await fail(account, FREE - 1);
    expect(await waitOf(account)).toBe(0);
    await fail(account);
    await failures.reset(account);
    expect(await waitOf(account)).toBe(0);
  });

  it('does not count a cancelled attempt', async () => {
    const account = anAccount();
    await fail(account, FREE);
    await pass(60);
    const attempt: LoginAttempt = await failures.begin(account);
    expect(await waitOf(account)).toBe(120);
    await attempt.cancelled();
    expect(await waitOf(account)).toBe(0);
  });

  it('counts all simultaneous failures', async () => {
    const account = anAccount();
    const attempts = await Promise.all(
      Array.from({ length: FREE }, (_, index) => (index % 2 ? failures : elsewhere).begin(account)),
    );
    await Promise.all(attempts.map((attempt) => attempt.failed()));
    expect(await waitOf(account)).toBe(60);
  });

  it('keeps failures for one day each and at most thirty days, so that no one gets a hundred attempts a day', async () => {
    const [seldom, often] = [anAccount(), anAccount()];
    await fail(seldom, 2);
    await fail(often, FREE);
    await pass(2 * 86_400 + 1);
    await fail(seldom, FREE - 1);
    expect(await waitOf(seldom)).toBe(0);
    await pass(27 * 86_400);
    await fail(often);
    expect(await waitOf(often)).toBe(120);
    await pass(30 * 86_400 + 1);
    const store = new LoginFailureStore(db.database);
    expect(await store.removeExpired(1)).toBe(1);
    await store.removeExpired(1_000);
    expect(await db.database.query('SELECT 1 FROM login_failures')).toEqual([]);
  });

  it('stores no name in the table', async () => {
    await fail('somebody-whose-name-is-secret');
    const rows = await db.database.query<{ row: string }>('SELECT f::text AS row FROM login_failures f');
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.map(({ row }) => row).join()).not.toMatch(/somebody/);
  });
});
