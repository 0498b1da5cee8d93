import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, codeOf, get, login, post, sql, tryLogin } from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';

interface Figures {
  readonly requests: number;
  readonly users: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly latency_ms: Readonly<Record<'p50' | 'p95' | 'p99', number | null>>;
  readonly unexpected_logouts: {
    readonly total: number;
    readonly by_cause: Readonly<Record<string, number>>;
  };
}

interface Schemes {
  readonly bearer: Figures;
  readonly session: Figures;
}

interface Report {
  readonly since: string;
  readonly until: string;
  readonly schemes: Schemes;
  readonly user_agents: readonly object[];
  readonly buckets: readonly { readonly from: string; readonly to: string; readonly schemes: Schemes }[];
}

const NOTHING = {
  requests: 0,
  users: 0,
  errors: {},
  latency_ms: { p50: null, p95: null, p99: null },
  unexpected_logouts: { total: 0, by_cause: {} },
};

describe('GET /admin/rollout/report', () => {
  let node: TestApp;
  let admin: string;
  let user: Account;
  beforeAll(async () => {
    node = await createTestApp();
    user = await aUser(node);
    admin = (await login(node)).access_token;
  });
  afterAll(() => node.close());

  const ask = (query: Record<string, string> = {}, token = admin) =>
    node.app.inject({ url: '/admin/rollout/report', query, ...bearer(token) });
  const report = async (query?: Record<string, string>) => {
    const reply = await ask(query);
    expect(reply.statusCode).toBe(200);
    return reply.json<Report>();
  };

  it('contains every earlier request to this node, and not the request for the report', async () => {
    const before = await report();
    const { access_token } = await login(node, user);
    for (let time = 0; time < 5; time++) await get(node, '/api/users/me', access_token);
    await tryLogin(node, { ...user, password: 'wrong' });
    for (let time = 0; time < 3; time++) await report();
    const { schemes } = await report();
    expect(schemes.bearer.requests - before.schemes.bearer.requests).toBe(7);
    expect(schemes.bearer.users).toBe(2);
    expect(schemes.bearer.errors).toEqual({ invalid_credentials: 1 });
    expect(schemes.session).toEqual(NOTHING);
    const { p50, p95, p99 } = schemes.bearer.latency_ms;
    expect(p50).toBeGreaterThan(0);
    expect(p95).toBeGreaterThanOrEqual(p50!);
    expect(p99).toBeGreaterThanOrEqual(p95!);
  });

  it('covers the last 24 hours by hour by default', async () => {
    const { since, until, buckets, schemes } = await report();
    expect(Date.parse(until) - Date.parse(since)).toBe(86_400_000);
    expect(Math.abs(Date.parse(until) - Date.now())).toBeLessThan(5_000);
    expect([24, 25]).toContain(buckets.length);
    const sum = buckets.reduce((all, bucket) => all + bucket.schemes.bearer.requests, 0);
    expect(sum).toBe(schemes.bearer.requests);
    for (const [index, { to }] of buckets.slice(0, -1).entries()) expect(buckets[index + 1]!.from).toBe(to);
  });

  it.each([
    [{ minutes: 30 }, 60_000, 31],
    [{ minutes: 60 * 48 }, 3_600_000, 49],
    [{ minutes: 60 * 24 * 92 }, 86_400_000, 93],
  ])('has larger buckets for a longer window: %j', async ({ minutes }, size, most) => {
    const until = new Date();
    const since = new Date(until.getTime() - minutes * 60_000);
    const asked = { since: since.toISOString(), until: until.toISOString() };
    const { buckets, ...rest } = await report(asked);
    expect(Date.parse(rest.since)).toBe(since.getTime());
    expect(buckets.length).toBeLessThanOrEqual(most);
    const [, second] = buckets;
    expect(Date.parse(second!.to) - Date.parse(second!.from)).toBe(size);
    expect(Date.parse(buckets[0]!.from)).toBeLessThanOrEqual(since.getTime());
  });

  it('has zero figures for a window without requests', async () => {
    const { schemes, user_agents, buckets } = await report({ since: '2020-01-01', until: '2020-01-02' });
    expect(schemes).toEqual({ bearer: NOTHING, session: NOTHING });
    expect(user_agents).toEqual([]);
    expect(buckets).toHaveLength(1);
  });

  it('reads future times as now, and accepts any time zone', async () => {
    const { until } = await report({ until: '2999-12-31T23:59:59.999+14:00' });
    expect(Math.abs(Date.parse(until) - Date.now())).toBeLessThan(5_000);
    const { since } = await report({ since: '2026-01-01T01:00:00+01:00', until: '2026-01-02T00:00Z' });
    expect(since).toBe('2026-01-01T00:00:00.000Z');
  });

  it.each([
    [{ since: 'yesterday' }, 'since must be a date'],
    [{ since: '' }, 'since must be a date'],
    [{ since: '1796000000' }, 'since must be a date'],
    [{ since: '2026-02-30' }, 'since must be a date'],
    [{ since: '2026-11-24T25:00:00Z' }, 'since must be a date'],
    [{ since: '2026-11-24T12:00:00' }, 'since must be a date'],
    [{ until: '2026-11-24 12:00:00Z' }, 'until must be a date'],
    [{ since: '+002026-01-01T00:00:00Z' }, 'since must be a date'],
    [{ since: '2026-01-02', until: '2026-01-01' }, 'since must be before until'],
    [{ since: '2026-01-01', until: '2026-01-01' }, 'since must be before until'],
    [{ since: '2999-01-01' }, 'since must be in the past'],
    [{ since: '2026-01-01', until: '2026-04-04' }, 'since must be at most 92 days before until'],
    [{ since: '0000-01-01' }, 'since must be'],
    [{ scheme: 'bearer' }, 'property scheme should not exist'],
  ])('refuses %j', async (query, message) => {
    const reply = await ask(query as Record<string, string>);
    expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'validation_failed']);
    expect(reply.json<{ errors: { message: string }[] }>().errors[0]!.message).toContain(message);
  });

  it('refuses a repeated parameter', async () => {
    const url = '/admin/rollout/report?since=2026-01-01&since=2026-01-02';
    const reply = await node.app.inject({ url, ...bearer(admin) });
    expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'validation_failed']);
  });

  it('is for administrators only', async () => {
    const { access_token } = await login(node, user);
    expect(codeOf(await ask({}, access_token))).toBe('forbidden');
    expect(codeOf(await node.app.inject({ url: '/admin/rollout/report' }))).toBe('token_missing');
  });

  it('is exposed to Prometheus by node, without data of users', async () => {
    await post(node, '/auth/login', { ...user, id: undefined, username: 'mallory' });
    const { body } = await get(node, '/metrics');
    expect(body).toMatch(/^tandem_scheme_request_duration_seconds_count\{scheme="bearer"\} \d+$/m);
    expect(body).toMatch(/^tandem_scheme_request_duration_seconds_count\{scheme="session"\} 0$/m);
    expect(body).toMatch(/^tandem_scheme_errors_total\{scheme="bearer",code="invalid_credentials"\} \d+$/m);
    expect(body).toMatch(/^tandem_scheme_users\{scheme="bearer"\} [12]$/m);
    for (const word of [user.id, user.username, 'mallory', 'lightMyRequest'])
      expect(body).not.toContain(word);
  });

  it('stores neither credentials nor addresses of users', async () => {
    const rows = await sql<{ row: string }>(
      node,
      'SELECT t::text AS row FROM report_buckets t UNION ALL SELECT t::text FROM scheme_uses t',
    );
    expect(rows.length).toBeGreaterThan(0);
    for (const { row } of rows) expect(row).not.toMatch(/127\.0\.0\.1|eyJ|tandem_rt_/);
  });
});
