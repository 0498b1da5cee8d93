import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, bearer, codeOf, get, login, post, sidOf, sql, verify } from '../helpers/client.js';
import type { Account, Reply } from '../helpers/client.js';

/** https://github.com/minimaxir/big-list-of-naughty-strings */
const NAUGHTY = JSON.parse(
  readFileSync(new URL('../vectors/naughty-strings/blns.json', import.meta.url), 'utf8'),
) as string[];

interface Login {
  readonly id: string;
  readonly current: boolean;
  readonly state: string;
  readonly revoked_by: { readonly id: string; readonly username: string | null } | null;
  readonly revoke_note: string | null;
}
interface Page {
  readonly tokens: Login[];
  readonly next_cursor: string | null;
  readonly searched_to: string | null;
}

let node: TestApp;
let token: string;
let own: string;
beforeAll(async () => {
  node = await createTestApp({ env: { TRUST_PROXY: '127.0.0.1' } });
  const tokens = await login(node);
  token = tokens.access_token;
  own = sidOf(tokens);
});
afterAll(() => node.close());

const refusal = (reply: Reply) => `${reply.statusCode} ${codeOf(reply)}`;
const queryOf = (query: Record<string, string>) => new URLSearchParams(query).toString();

async function list(query: Record<string, string> = {}): Promise<Page> {
  const reply = await get(node, `/admin/tokens?${queryOf(query)}`, token);
  expect(reply.statusCode, reply.body).toBe(200);
  return reply.json<Page>();
}
const ids = async (query: Record<string, string>) => (await list(query)).tokens.map(({ id }) => id);

async function count(query: Record<string, string> = {}): Promise<unknown> {
  const reply = await get(node, `/admin/tokens/count?${queryOf(query)}`, token);
  expect(reply.statusCode, reply.body).toBe(200);
  return reply.json();
}

function revoke(body: object, headers: Record<string, string> = {}): Promise<Reply> {
  return post(node, '/admin/tokens/revoke', body, { headers: { ...bearer(token).headers, ...headers } });
}

/** A login from an address, with a user agent. Returns the id of its family. */
async function from(user: Account, ip: string, agent = 'test'): Promise<string> {
  const headers = { 'x-forwarded-for': ip, 'user-agent': agent };
  return sidOf(await login(node, user, { headers }));
}

/** Families of a user, one a second, written by SQL. The newest is `first` seconds old. */
async function many(user: Account, howMany: number, first: number, agent: string): Promise<void> {
  await sql(
    node,
    `INSERT INTO refresh_tokens
       (id, user_id, secret, mac_key, delivery, created_at, last_used_at, expires_at, absolute_expires_at, user_agent, alone)
     SELECT gen_random_uuid(), $1, '\\x00', 'k', 'body', now() - make_interval(secs => $3 + n), now() - make_interval(secs => $3 + n),
       now() + interval '1 day', now() + interval '1 day', $4, true
     FROM generate_series(1, $2::integer) AS n`,
    [user.id, howMany, first, agent],
  );
}

describe('the filters of the list of logins', () => {
  it('find logins by network, user name, user agent, role, state and reason', async () => {
    const user = await aUser(node);
    const [four, near, far] = [
      await from(user, '203.0.113.7', 'Mozilla/5.0 Firefox/140'),
      await from(user, '203.0.113.200', 'Mozilla/5.0 Chrome/140 100% _sure_'),
      await from(user, '198.51.100.9', 'curl/8'),
    ] as const;
    const six = await from(user, '2001:db8:77::1');
    const all = [six, far, near, four];
    const mine = { user_id: user.id };
    expect(await ids({ username: user.username.toUpperCase() })).toEqual(all);
    expect(await ids({ ...mine, ip: '203.0.113.0/24' })).toEqual([near, four]);
    expect(await ids({ ...mine, ip: '203.0.113.129/25' })).toEqual([near]);
    expect(await ids({ ...mine, ip: '::ffff:203.0.113.0/120' })).toEqual([near, four]);
    expect(await ids({ ...mine, ip: '2001:DB8:77::/48' })).toEqual([six]);
    expect(await ids({ ...mine, ip: '0.0.0.0/0' })).toEqual([far, near, four]);
    expect(await ids({ ...mine, ip: '203.0.113.7' })).toEqual([four]);
    expect(await ids({ ...mine, user_agent: 'firefox' })).toEqual([four]);
    expect(await ids({ ...mine, user_agent: '100% _SURE' })).toEqual([near]);
    expect(await ids({ ...mine, user_agent: '%' })).toEqual([near]);
    expect(await ids({ ...mine, role: 'user' })).toEqual(all);
    expect(await ids({ ...mine, role: 'admin' })).toEqual([]);
    await sql(node, `UPDATE refresh_tokens SET revoked_at = now(), revoke_reason = 'reuse' WHERE id = $1`, [
      far,
    ]);
    await sql(node, `UPDATE refresh_tokens SET expires_at = now() WHERE id = $1`, [six]);
    expect(await ids({ ...mine, state: 'active' })).toEqual([near, four]);
    expect(await ids({ ...mine, state: 'ended' })).toEqual([six, far]);
    expect(await ids({ ...mine, state: 'expired' })).toEqual([six]);
    expect(await ids({ ...mine, state: 'revoked' })).toEqual([far]);
    expect(await ids({ ...mine, reason: 'reuse' })).toEqual([far]);
    expect(await ids({ ...mine, reason: 'logout' })).toEqual([]);
    expect(await count({ ...mine, state: 'active' })).toEqual({ count: 2, exact: true });
    expect(await count({ ...mine, ip: '203.0.113.0/24', role: 'user' })).toEqual({ count: 2, exact: true });
  });

  it('find logins by the times of their beginning and of their last use', async () => {
    const user = await aUser(node);
    const [old, recent] = [await from(user, '192.0.2.1'), await from(user, '192.0.2.1')];
    await sql(
      node,
      `UPDATE refresh_tokens SET created_at = '2026-01-02T00:00:00Z', last_used_at = '2026-01-03T00:00:00Z' WHERE id = $1`,
      [old],
    );
    const mine = { user_id: user.id };
    expect(await ids({ ...mine, began_before: '2026-01-02T00:00:01Z' })).toEqual([old]);
    expect(await ids({ ...mine, began_before: '2026-01-02' })).toEqual([]);
    expect(await ids({ ...mine, began_since: '2026-01-02' })).toEqual([recent, old]);
    expect(await ids({ ...mine, began_since: '2026-01-02T01:00:00+00:30' })).toEqual([recent]);
    expect(await ids({ ...mine, used_before: '2026-01-04' })).toEqual([old]);
    expect(await ids({ ...mine, used_since: '2026-01-04' })).toEqual([recent]);
    // The first and the last instant that can be written.
    expect(await ids({ ...mine, began_since: '0000-01-01T00:00:00+23:59' })).toEqual([recent, old]);
    expect(await ids({ ...mine, used_before: '9999-12-31T23:59:59-23:59' })).toEqual([recent, old]);
  });

  it('mark the login that asks', async () => {
    const { tokens } = await list({ username: 'root' });
    expect(tokens.filter(({ current }) => current).map(({ id }) => id)).toEqual([own]);
  });

  it('search a bounded number of logins for each page, and find every match over all pages', async () => {
    const user = await aUser(node);
    await many(user, 3, 40_000, 'Rare/1.0');
    await many(user, 30_000, 100, 'Common/1.0');
    const pages: Page[] = [];
    let cursor: string | null = null;
    do {
      const page: Page = await list({
        user_agent: 'rare/',
        limit: '2',
        ...(cursor !== null && { cursor }),
      });
      pages.push(page);
      cursor = page.next_cursor;
    } while (cursor !== null);
    expect(pages.map(({ tokens }) => tokens.length)).toEqual([0, 2, 1]);
    expect(new Set(pages.flatMap(({ tokens }) => tokens.map(({ id }) => id))).size).toBe(3);
    expect(Date.parse(pages[0]!.searched_to!)).toBeLessThan(Date.now() - 15_000_000);
    expect(pages.slice(1).map(({ searched_to }) => searched_to)).toEqual([null, null]);
    // A page that is full says nothing about the search.
    const full = await list({ user_agent: 'common', limit: '100' });
    expect([full.tokens.length, full.searched_to]).toEqual([100, null]);
  });

  it('count up to ten thousand, and all on request', async () => {
    expect(await count({ user_agent: 'Rare/' })).toEqual({ count: 3, exact: true });
    expect(await count({ user_agent: 'Common/' })).toEqual({ count: 10_000, exact: false });
    expect(await count({ user_agent: 'Common/', exact: 'true' })).toEqual({ count: 30_000, exact: true });
    expect(await count({ scheme: 'session', exact: 'true' })).toEqual({ count: 0, exact: true });
  });

  it.each([
    'ip=192.0.2.0/33',
    'ip=192.0.2.0/',
    'ip=192.0.2.0/-1',
    'ip=/24',
    'ip=192.0.2.0/24/1',
    'ip=::ffff:192.0.2.0/95',
    'ip=2001:db8::/129',
    'ip=1.2.3/24',
    'state=',
    'reason=stolen',
    'began_since=yesterday',
    'began_before=2026-02-30',
    'used_since=2026-01-01T00:00:00',
    'used_before=',
    'began_before=10000-01-01',
    'role=',
    'role=A',
    'user_agent=',
    `user_agent=${'a'.repeat(257)}`,
    'user_agent=%00',
    'user_agent[]=a',
    'username=',
    'username=a&username=b',
    'scheme=cookie',
    'exact=true',
  ])('refuse ?%s', async (query) => {
    expect(refusal(await get(node, `/admin/tokens?${query}`, token))).toBe('400 validation_failed');
  });

  it('refuse the same filters for the count, and a page', async () => {
    for (const query of ['ip=1.2.3/24', 'exact=yes', 'limit=1', 'cursor=AAAA'])
      expect(refusal(await get(node, `/admin/tokens/count?${query}`, token))).toBe('400 validation_failed');
  });

  it('take any text without an error of the server', async () => {
    const fields = ['user_agent', 'username', 'ip', 'began_since', 'role'];
    // Of a user without logins, so that each search is short.
    const user_id = randomUUID();
    for (const [index, text] of NAUGHTY.entries()) {
      const query = queryOf({ user_id, [fields[index % fields.length]!]: text.toWellFormed() });
      const reply = await get(node, `/admin/tokens?${query}`, token);
      expect([200, 400], `${query}: ${reply.body}`).toContain(reply.statusCode);
    }
  });

  it('are closed to callers who are not administrators', async () => {
    const other = (await login(node, await aUser(node))).access_token;
    expect(refusal(await get(node, '/admin/tokens/count', other))).toBe('403 forbidden');
    expect(refusal(await get(node, '/admin/tokens/count'))).toBe('401 token_missing');
  });
});

describe('a revocation', () => {
  it('keeps who revoked the login, and why, in the list and in the audit trail', async () => {
    const user = await aUser(node);
    const id = await from(user, '192.0.2.1');
    const note = 'Ticket 4711: <b>stolen</b> “laptop” 💻';
    const reply = await node.app.inject({
      method: 'DELETE',
      url: `/admin/tokens/${id}?${queryOf({ note })}`,
      ...bearer(token),
    });
    expect(reply.statusCode, reply.body).toBe(204);
    const { tokens } = await list({ user_id: user.id, reason: 'revoke' });
    expect(tokens).toMatchObject([
      {
        id,
        state: 'revoked',
        revoke_note: note,
        revoked_by: { id: expect.any(String), username: 'root' },
      },
    ]);
    const [event] = await sql<{ detail: unknown }>(
      node,
      `SELECT detail FROM audit_events WHERE sid = $1 AND event = 'revoke'`,
      [id],
    );
    expect(event?.detail).toEqual({ note });
  });

  it('shows no actor if the user has logged out', async () => {
    const user = await aUser(node);
    const tokens = await login(node, user);
    await post(node, '/auth/logout', {}, bearer(tokens.access_token));
    const [ended] = (await list({ user_id: user.id })).tokens;
    expect(ended).toMatchObject({ state: 'revoked', revoke_reason: 'logout', revoked_by: null });
  });

  it('shows who disabled the user', async () => {
    const user = await aUser(node);
    await login(node, user);
    await node.app.inject({
      method: 'PATCH',
      url: `/admin/users/${user.id}`,
      payload: { disabled: true },
      ...bearer(token),
    });
    const [ended] = (await list({ user_id: user.id })).tokens;
    expect(ended).toMatchObject({ revoke_reason: 'disable', revoked_by: { username: 'root' } });
  });

  it('by filter revokes what the list shows, and nothing else', async () => {
    const user = await aUser(node);
    const [gone, stays] = [
      await login(node, user, { headers: { 'x-forwarded-for': '203.0.113.66', 'user-agent': 'Evil/1' } }),
      await login(node, user, { headers: { 'x-forwarded-for': '203.0.113.67', 'user-agent': 'Good/1' } }),
    ];
    const filter = { ip: '203.0.113.64/28', user_agent: 'evil/', user_ids: [user.id] };
    const reply = await revoke({ ...filter, note: 'a worm', expected_count: 1 });
    expect(reply.json()).toEqual({ revoked: 1 });
    expect(await verify(node, gone.access_token)).toBe('401 token_revoked');
    expect(await verify(node, stays.access_token)).toBe('204');
    expect((await list({ user_id: user.id, state: 'revoked' })).tokens).toMatchObject([
      { id: sidOf(gone), revoke_note: 'a worm', revoked_by: { username: 'root' } },
    ]);
    const times = { began_since: '2999-01-01T00:00:00Z', user_ids: [user.id] };
    expect((await revoke(times)).json()).toEqual({ revoked: 0 });
    const unused = { used_before: '2001-01-01T00:00:00Z', user_ids: [user.id] };
    expect((await revoke(unused)).json()).toEqual({ revoked: 0 });
    const used = { used_since: '2001-01-01T00:00:00Z', user_ids: [user.id] };
    expect((await revoke(used)).json()).toEqual({ revoked: 1 });
  });

  it('reports its progress line by line, whether it is one transaction or several', async () => {
    const user = await aUser(node);
    for (const expected of [{}, { expected_count: 600 }]) {
      await many(user, 600, 100, 'Progress/1');
      const filter = { user_agent: 'Progress/', user_ids: [user.id] };
      const reply = await revoke({ ...filter, ...expected }, { accept: 'application/x-ndjson' });
      expect(reply.headers['content-type']).toContain('application/x-ndjson');
      const lines = reply.body
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown);
      expect(lines).toEqual([
        { revoked: 250 },
        { revoked: 500 },
        { revoked: 600 },
        { revoked: 600, done: true },
      ]);
    }
  });

  it('refuses more matches than expected as a problem, also if progress was asked for', async () => {
    const user = await aUser(node);
    await many(user, 3, 100, 'Progress/2');
    const filter = { user_agent: 'Progress/2', user_ids: [user.id], expected_count: 2 };
    const lines = await revoke(filter, { accept: 'application/x-ndjson' });
    expect(refusal(lines)).toBe('409 more_than_expected');
    // The first batch is reported before the second exceeds the count.
    await many(user, 400, 100, 'Progress/2');
    const late = await revoke({ ...filter, expected_count: 300 }, { accept: 'application/x-ndjson' });
    const [first, last] = late.body
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(first).toEqual({ revoked: 250 });
    expect(last).toMatchObject({ problem: { code: 'more_than_expected', status: 409 } });
    expect(await count({ user_agent: 'Progress/2', state: 'active' })).toEqual({ count: 403, exact: true });
  });

  it.each([
    { note: '' },
    { note: '  ' },
    { note: 'two\nlines' },
    { note: 'a'.repeat(501) },
    { note: 7 },
    { ip: '10.0.0.0/33' },
    { user_agent: '' },
    { used_since: '2026-01-01' },
    { began_since: null },
    { state: 'active' },
  ])('refuses %j', async (body) => {
    expect(refusal(await revoke({ role: 'nobody', ...body }))).toBe('400 validation_failed');
  });

  it('refuses a note without a filter', async () => {
    expect(refusal(await revoke({ note: 'all of them', expected_count: 5 }))).toBe('400 validation_failed');
  });

  it('stores any note as it was sent, except secrets', async () => {
    const user = await aUser(node);
    for (const text of NAUGHTY.filter((_, index) => index % 10 === 0)) {
      const reply = await revoke({ user_ids: [randomUUID()], note: text });
      expect([200, 400], `${text}: ${reply.body}`).toContain(reply.statusCode);
    }
    const id = await from(user, '192.0.2.1');
    await revoke({ user_ids: [user.id], note: `seen ${token}` });
    const [ended] = (await list({ user_id: user.id })).tokens;
    expect(ended).toMatchObject({ id, revoke_note: 'seen [secret]' });
  });
});
