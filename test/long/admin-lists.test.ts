import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/database/database.js';
import { FamilyListStore } from '../../src/tokens/families/family-list.store.js';
import type { FamilyFilter } from '../../src/tokens/families/family-filter.js';
import { asProduct, createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';

const USERS = 200_000;
const FAMILIES = 1_000_000;

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Plan[];
}

/** Explains each statement that the store runs. */
class ExplainingDatabase {
  readonly plans: Plan[] = [];

  constructor(private readonly database: Database) {}

  async queryUnprepared(text: string, values: readonly unknown[]): Promise<unknown[]> {
    const [row] = await this.database.queryUnprepared<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
      values,
    );
    this.plans.push(row!['QUERY PLAN'][0].Plan);
    return this.database.queryUnprepared(text, values);
  }
}

function nodesOf(plan: Plan): Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

/** Rows of families that the plan reads. */
function examined(plan: Plan): number {
  return nodesOf(plan)
    .filter((node) => node['Relation Name'] === 'refresh_tokens')
    .map((node) => (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'])
    .reduce((sum, rows) => sum + rows, 0);
}

describe('the list of a million token families', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createTestDatabase();
    // Without the timeouts of a node.
    const run = (text: string) => asProduct(db.url, text);
    await run(`
      INSERT INTO users (id, username, username_key, role)
      SELECT md5('user ' || n)::uuid, 'user-' || n, 'user-' || n,
        CASE WHEN n % 50000 = 0 THEN 'admin' WHEN n % 100 = 0 THEN 'clerk' ELSE 'user' END
      FROM generate_series(1, ${USERS}) AS n`);
    await run(`
      INSERT INTO refresh_tokens (id, user_id, secret, mac_key, delivery, created_at, last_used_at, expires_at,
        absolute_expires_at, revoked_at, revoke_reason, ip, user_agent, alone)
      SELECT gen_random_uuid(), md5('user ' || (n % ${USERS} + 1))::uuid, sha256(n::text::bytea), 'k', 'body',
        now() - n * interval '2 seconds', now() - n * interval '1 second', now() + interval '1 day', now() + interval '30 days',
        CASE WHEN n % 10 = 0 THEN now() END, CASE WHEN n % 10 = 0 THEN 'logout' END,
        CASE WHEN n = 900000 THEN '192.0.2.77' ELSE '10.' || n % 200 || '.' || n / 200 % 250 || '.' || n % 250 END,
        CASE WHEN n = 900000 THEN 'Rare/1.0' ELSE 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/' || n % 50 END,
        true
      FROM generate_series(1, ${FAMILIES}) AS n`);
    await run('VACUUM ANALYZE users');
    await run('VACUUM ANALYZE refresh_tokens');
  }, 600_000);
  afterAll(() => db.drop());

  const filters: readonly [string, FamilyFilter][] = [
    ['no filter', {}],
    ['a user', { userIds: ['e1bc7571-4d7f-36b6-3a1e-c54e4ff6c0f7'] }],
    ['a name', { username: 'USER-4711' }],
    ['a rare role', { role: 'admin' }],
    ['a common role', { role: 'user' }],
    ['a role of one per cent', { role: 'clerk' }],
    ['an address that is used once, long ago', { ip: '192.0.2.77' }],
    ['a network that is used once, long ago', { ip: '192.0.2.0/24' }],
    ['a wide network', { ip: '10.0.0.0/8' }],
    ['a rare user agent', { userAgent: 'rare' }],
    ['a common user agent', { userAgent: 'firefox' }],
    ['a state', { state: 'revoked' }],
    ['a state that no family is in', { state: 'expired' }],
    ['a reason that no family has', { reason: 'reuse' }],
    ['the time of the last use', { usedBefore: new Date(Date.now() - 900_000_000) }],
    ['the time of the login', { issuedBefore: new Date(Date.now() - 1_900_000_000) }],
    [
      'everything',
      { ip: '10.0.0.0/8', userAgent: 'firefox/7', state: 'active', role: 'clerk', usedSince: new Date(0) },
    ],
  ];

  it.each(filters)('reads its first page by an index and few rows, with %s', async (_, filter) => {
    const explaining = new ExplainingDatabase(db.database);
    const list = new FamilyListStore(explaining as unknown as Database);
    await list.page(filter, 50, undefined);
    for (const plan of explaining.plans) {
      const scanned = nodesOf(plan).filter((node) => node['Node Type'] === 'Seq Scan');
      expect(scanned.map((node) => node['Relation Name'])).not.toContain('refresh_tokens');
      expect(examined(plan)).toBeLessThanOrEqual(20_001);
    }
  });

  it('finds the rarest match over all pages, each of them bounded', async () => {
    const list = new FamilyListStore(db.database);
    let pages = 0;
    const found: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null; pages += 1) {
      const page = await list.page({ ip: '192.0.2.0/24', userAgent: 'rare' }, 50, cursor);
      found.push(...page.tokens.map(({ user_agent }) => user_agent!));
      cursor = page.next_cursor;
    }
    expect([found, pages]).toEqual([['Rare/1.0'], FAMILIES / 20_000 + 1]);
  });

  it('counts up to ten thousand without reading more, and all on request', async () => {
    const list = new FamilyListStore(db.database);
    expect(await list.count({}, 10_001)).toBe(10_001);
    expect(await list.count({ userAgent: 'firefox' }, undefined)).toBe(FAMILIES - 1);
    expect(await list.count({ state: 'revoked' }, undefined)).toBe(FAMILIES / 10);
  });
});
