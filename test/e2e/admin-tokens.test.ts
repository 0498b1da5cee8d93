import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import {
  aUser,
  bearer,
  codeOf,
  get,
  login,
  refresh,
  sidOf,
  sql,
  tryLogin,
  tryRefresh,
  until,
  verify,
} from '../helpers/client.js';
import type { Account, Reply, Tokens } from '../helpers/client.js';

interface Family {
  readonly id: string;
  readonly user_id: string;
  readonly state: string;
}
interface Page {
  readonly tokens: Family[];
  readonly next_cursor: string | null;
}

let one: TestApp;
let two: TestApp;
let token: string;
beforeAll(async () => {
  one = await createTestApp({ env: { TRUST_PROXY: '127.0.0.1' } });
  two = await createTestApp({ db: one.db, env: { TRUST_PROXY: '127.0.0.1' } });
  token = (await login(one)).access_token;
});
afterAll(async () => {
  await two.close();
  await one.close();
});

const refusal = (reply: Reply) => `${reply.statusCode} ${codeOf(reply)}`;
const from = (ip: string) => ({ headers: { 'x-forwarded-for': ip } });

async function list(query = '', node = one): Promise<Page> {
  const reply = await get(node, `/admin/tokens?${query}`, token);
  expect(reply.statusCode, reply.body).toBe(200);
  return reply.json<Page>();
}
const ids = async (query: string) => (await list(query)).tokens.map(({ id }) => id);

function remove(id: string, as = token, node = one): Promise<Reply> {
  return node.app.inject({ method: 'DELETE', url: `/admin/tokens/${id}`, ...bearer(as) });
}
function revoke(filter: object | string, node = one, as = token): Promise<Reply> {
  return node.app.inject({
    method: 'POST',
    url: '/admin/tokens/revoke',
    payload: filter,
    headers: { ...bearer(as).headers, 'content-type': 'application/json' },
  });
}
async function revoked(filter: object, node = one): Promise<number> {
  const reply = await revoke(filter, node);
  expect(reply.statusCode, reply.body).toBe(200);
  return reply.json<{ revoked: number }>().revoked;
}
/** The admin's own login may be among those that ended. */
const logInAgain = async () => (token = (await login(one)).access_token);

describe('the list of token families', () => {
  it('shows user, address, creation, last use and state of each family', async () => {
    const user = await aUser(one);
    const tokens = await login(one, user, {
      headers: { 'x-forwarded-for': '198.51.100.7', 'user-agent': 'curl/8.5.0' },
    });
    await refresh(one, tokens.refresh_token);
    const { tokens: found, next_cursor } = await list(`user_id=${user.id}`);
    expect(next_cursor).toBeNull();
    expect(found).toEqual([
      {
        id: sidOf(tokens),
        scheme: 'bearer',
        user_id: user.id,
        username: user.username,
        external_id: null,
        role: 'user',
        created_at: expect.stringMatching(/Z$/),
        last_used_at: expect.stringMatching(/Z$/),
        expires_at: expect.stringMatching(/Z$/),
        ip: '127.0.0.1',
        user_agent: 'lightMyRequest',
        delivery: 'body',
        state: 'active',
        revoked_at: null,
        revoke_reason: null,
        revoked_by: null,
        revoke_note: null,
        linked: false,
        current: false,
      },
    ]);
  });

  it('finds families by user, by state and by any spelling of the address', async () => {
    const [user, other] = [await aUser(one), await aUser(one)];
    const group = Math.floor(Math.random() * 0xffff).toString(16);
    const six = await login(one, user, from(`2001:DB8:0:${group}:0:0:0:1`));
    const mapped = await login(one, user, from('::ffff:198.51.100.77'));
    const four = await login(one, other, from('198.51.100.77'));
    expect(await ids(`user_id=${user.id.toUpperCase()}`)).toEqual([sidOf(mapped), sidOf(six)]);
    expect(await ids(`ip=2001:db8:0:${group}::1`)).toEqual([sidOf(six)]);
    expect(await ids(`ip=2001:0DB8:0000:${group}:0::1&user_id=${user.id}`)).toEqual([sidOf(six)]);
    for (const ip of ['198.51.100.77', '::ffff:198.51.100.77', '::FFFF:C633:644D']) {
      expect(await ids(`ip=${ip}`)).toEqual([sidOf(four), sidOf(mapped)]);
    }
    await remove(sidOf(six));
    await sql(one, 'UPDATE refresh_tokens SET expires_at = now() WHERE id = $1', [sidOf(mapped)]);
    expect(await ids(`user_id=${user.id}&active=true`)).toEqual([]);
    const over = (await list(`user_id=${user.id}&active=false`)).tokens;
    expect(over.map(({ id, state }) => [id, state])).toEqual([
      [sidOf(mapped), 'expired'],
      [sidOf(six), 'revoked'],
    ]);
    expect(await ids(`user_id=${other.id}&active=true`)).toEqual([sidOf(four)]);
    expect(await ids(`user_id=${randomUUID()}`)).toEqual([]);
  });

  it('contains each family once over all pages while users log in, even in the same millisecond', async () => {
    const user = await aUser(one);
    const logins: Tokens[] = [];
    for (let count = 0; count < 6; count++) logins.push(await login(one, user));
    const wanted = logins.map(sidOf);
    // Three in the same microsecond, two in the same millisecond.
    await sql(
      one,
      `UPDATE refresh_tokens SET created_at = date_trunc('second', now()) - interval '1 hour'
        + CASE WHEN id = $2 THEN interval '7 microseconds' WHEN id = $3 THEN interval '8 microseconds' ELSE interval '0' END
        WHERE user_id = $1`,
      [user.id, wanted[0], wanted[1]],
    );
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Page = await list(
        `user_id=${user.id}&limit=2${cursor === null ? '' : `&cursor=${cursor}`}`,
      );
      expect(page.tokens.length).toBeLessThanOrEqual(2);
      seen.push(...page.tokens.map(({ id }) => id));
      cursor = page.next_cursor;
      await login(one, user);
    } while (cursor !== null);
    expect(seen.slice(0, 2)).toEqual([wanted[1], wanted[0]]);
    expect(seen.toSorted()).toEqual(wanted.toSorted());
  });

  it.each([
    'user_id=1',
    `user_id=${randomUUID()}&user_id=${randomUUID()}`,
    'user_id[]=x',
    "user_id=' OR 1=1",
    'ip=nonsense',
    'ip=1.2.3',
    'ip=1.2.3.4:80',
    'ip=010.0.0.1',
    'ip=::1&ip=::1',
    'active=yes',
    'active=1',
    'active=true&active=true',
    'limit=0',
    'limit=101',
    'cursor=AAAA',
    `cursor=${Buffer.from(`1.${randomUUID()}x`).toString('base64url')}`,
    `cursor=${Buffer.from(`99999999999999999.${randomUUID()}`).toString('base64url')}`,
    `cursor=${Buffer.from(`-1.${randomUUID()}`).toString('base64url')}`,
    `cursor=${Buffer.from(`1.${randomUUID()}`).toString('base64url')}=`,
    `cursor=${'A'.repeat(3000)}`,
    'state=live',
    'state=active&active=true',
    '__proto__[x]=1',
  ])('refuses ?%s', async (query) => {
    expect(refusal(await get(one, `/admin/tokens?${query}`, token))).toBe('400 validation_failed');
  });

  it('accepts every cursor of the right form, even beyond the first or last family', async () => {
    for (const at of ['0', '9999999999999999']) {
      await list(`cursor=${Buffer.from(`tokens:${at}.${randomUUID()}`).toString('base64url')}`);
    }
  });

  it('is closed to callers who are not administrators', async () => {
    const own = (await login(one, await aUser(one))).access_token;
    expect(refusal(await get(one, '/admin/tokens', own))).toBe('403 forbidden');
    expect(refusal(await get(one, '/admin/tokens'))).toBe('401 token_missing');
    expect(refusal(await remove(randomUUID(), own))).toBe('403 forbidden');
    expect(refusal(await revoke({ role: 'user' }, one, own))).toBe('403 forbidden');
  });
});

describe('a token family that an administrator revokes', () => {
  it('is refused at once here and within a second elsewhere, and can be revoked again', async () => {
    const user = await aUser(one);
    const [gone, stays] = [await login(two, user), await login(two, user)];
    expect(await verify(two, gone.access_token)).toBe('204');
    expect((await remove(sidOf(gone))).statusCode).toBe(204);
    expect(await verify(one, gone.access_token)).toBe('401 token_revoked');
    await until(async () => (await verify(two, gone.access_token)) === '401 token_revoked', 1_000);
    expect(refusal(await tryRefresh(two, gone.refresh_token))).toBe('401 refresh_token_revoked');
    expect(await verify(one, stays.access_token)).toBe('204');
    expect((await remove(sidOf(gone).toUpperCase())).statusCode).toBe(204);
    expect((await list(`user_id=${user.id}&active=false`)).tokens).toMatchObject([
      { id: sidOf(gone), state: 'revoked', revoke_reason: 'revoke', revoked_at: expect.any(String) },
    ]);
    const events = await sql(
      one,
      `SELECT event, cause, user_id, actor_id FROM audit_events WHERE sid = $1 AND event = 'revoke'`,
      [sidOf(gone)],
    );
    expect(events).toEqual([
      { event: 'revoke', cause: 'revoke', user_id: user.id, actor_id: expect.any(String) },
    ]);
  });

  it('answers 404 for an unknown id and 400 for an invalid id', async () => {
    expect(refusal(await remove(randomUUID()))).toBe('404 not_found');
    for (const id of ['1', 'revoke', '%27', '%00', '%ED%A0%80', '💥']) {
      expect((await remove(encodeURI(id))).statusCode).toBe(400);
    }
  });
});

describe('a bulk revocation of token families', () => {
  const users = (count: number): Promise<Account[]> =>
    Promise.all(Array.from({ length: count }, () => aUser(one)));

  it('revokes the families of the given users, and no later ones', async () => {
    const [a, b, bystander] = (await users(3)) as [Account, Account, Account];
    const gone = [await login(one, a), await login(two, a), await login(two, b)];
    const spared = await login(two, bystander);
    expect(await revoked({ user_ids: [a.id, b.id.toUpperCase(), a.id, randomUUID()] })).toBe(3);
    for (const { access_token, refresh_token } of gone) {
      expect(await verify(one, access_token)).toBe('401 token_revoked');
      expect(refusal(await tryRefresh(two, refresh_token))).toBe('401 refresh_token_revoked');
    }
    expect(await verify(one, spared.access_token)).toBe('204');
    expect(await revoked({ user_ids: [a.id, b.id] })).toBe(0);
    // One made afterwards works at once, also in the same second.
    expect(await verify(two, (await login(two, a)).access_token)).toBe('204');
  });

  it('revokes the families of an address in any spelling', async () => {
    const [a, b] = (await users(2)) as [Account, Account];
    const gone = [
      await login(one, a, from('203.0.113.66')),
      await login(two, b, from('::ffff:203.0.113.66')),
    ];
    const spared = await login(one, a, from('203.0.113.67'));
    expect(await revoked({ ip: '::ffff:203.0.113.66' })).toBe(2);
    for (const { access_token } of gone) expect(await verify(one, access_token)).toBe('401 token_revoked');
    expect(await verify(one, spared.access_token)).toBe('204');
  });

  it('revokes the families opened before a time, even if they were refreshed since', async () => {
    const [a, b] = (await users(2)) as [Account, Account];
    const [old, other] = [await login(one, a), await login(one, b)];
    const [{ now } = { now: '' }] = await sql<{ now: string }>(
      one,
      `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS now`,
    );
    const refreshed = await refresh(one, old.refresh_token);
    const young = await login(one, a);
    expect(await revoked({ issued_before: now, user_ids: [a.id] })).toBe(1);
    expect(await verify(one, refreshed.access_token)).toBe('401 token_revoked');
    expect(await verify(one, young.access_token)).toBe('204');
    expect(await verify(one, other.access_token)).toBe('204');
    expect(await revoked({ issued_before: '1970-01-01T00:00:00Z' })).toBe(0);
    expect(await revoked({ issued_before: '0000-01-01T00:00:00Z' })).toBe(0);
  });

  it('revokes the families of a role that match every filter, also those of the caller', async () => {
    const [user, boss] = [await aUser(one), await aUser(one, { role: 'admin' })];
    const [theirs, bosses] = [await login(two, user), await login(two, boss)];
    const none = { role: 'admin', user_ids: [user.id] };
    expect(await revoked(none)).toBe(0);
    expect(await revoked({ ...none, issued_before: '2999-01-01T00:00:00+01:00' })).toBe(0);
    expect(await revoked({ role: 'user' })).toBeGreaterThanOrEqual(1);
    expect(await verify(one, theirs.access_token)).toBe('401 token_revoked');
    expect(await verify(one, bosses.access_token)).toBe('204');
    const filter = { role: 'admin', issued_before: '2999-01-01T00:00:00Z', user_ids: [boss.id] };
    expect(await revoked(filter)).toBe(1);
    expect(await verify(one, bosses.access_token)).toBe('401 token_revoked');
    expect(await revoked({ role: 'admin' })).toBeGreaterThanOrEqual(1);
    expect(await verify(one, token)).toBe('401 token_revoked');
    await logInAgain();
  });

  it('writes one audit event for each family, and one for the call with filter and count', async () => {
    const user = await aUser(one);
    const logins = [await login(one, user), await login(one, user)];
    const requestId = `bulk-${randomUUID()}`;
    await one.app.inject({
      method: 'POST',
      url: '/admin/tokens/revoke',
      payload: { user_ids: [user.id], role: 'user' },
      headers: { ...bearer(token).headers, 'x-request-id': requestId },
    });
    const events = await sql<{ cause: string; sid: string | null; detail: unknown; actor_id: string }>(
      one,
      `SELECT cause, sid, detail, actor_id FROM audit_events WHERE request_id = $1 ORDER BY id`,
      [requestId],
    );
    expect(events).toHaveLength(3);
    expect(new Set(events.map(({ actor_id }) => actor_id)).size).toBe(1);
    expect(new Set(events.slice(0, 2).map(({ sid }) => sid))).toEqual(new Set(logins.map(sidOf)));
    expect(events[2]).toMatchObject({
      cause: 'bulk',
      sid: null,
      detail: { filter: { user_ids: [user.id], role: 'user' }, revoked: 2, complete: true },
    });
  });

  it('has revoked matching families when it answers, despite concurrent logins and refreshes', async () => {
    for (const [name, filterOf] of [
      ['user_ids', ({ id }: Account) => ({ user_ids: [id] })],
      ['issued_before', ({ id }: Account) => ({ issued_before: '2999-01-01T00:00:00Z', user_ids: [id] })],
    ] as const) {
      for (let round = 0; round < 4; round++) {
        const user = await aUser(one);
        let current = await login(one, user);
        const before = [current];
        let stop = false;
        const refreshing = (async () => {
          while (!stop) {
            const reply = await tryRefresh(two, current.refresh_token);
            if (reply.statusCode !== 200) return;
            current = reply.json<Tokens>();
            before.push(current);
          }
        })();
        // These logins race with the revocation: each one either completes before it or after it.
        const beginning = Promise.all([1, 2, 3].map(async (n) => tryLogin(n % 2 ? one : two, user)));
        await until(async () => before.length > 1, 5_000);
        const answered = await revoked(filterOf(user), one);
        expect(answered, name).toBeGreaterThanOrEqual(1);
        for (const { access_token } of before.slice()) {
          expect(await verify(one, access_token)).toBe('401 token_revoked');
        }
        stop = true;
        await refreshing;
        expect(refusal(await tryRefresh(one, current.refresh_token))).toBe('401 refresh_token_revoked');
        for (const reply of await beginning) expect(reply.statusCode).toBe(200);
        expect(await verify(one, (await login(two, user)).access_token)).toBe('204');
      }
    }
  });

  it.each([
    ['nothing', {}],
    ['an unknown filter', { username: 'x' }],
    ['a list', []],
    ['no role', { role: null }],
    ['a text that is no role', { role: 'Root User' }],
    ['an address that is none', { ip: '1.2.3' }],
    ['a network that is none', { ip: '10.0.0.0/33' }],
    ['a list of addresses', { ip: ['::1'] }],
    ['nobody', { user_ids: [] }],
    ['an id that is none', { user_ids: ['1'] }],
    ['an id that is no text', { user_ids: [{ toString: 'x' }] }],
    ['one id without a list', { user_ids: '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10' }],
    [
      'too many ids',
      { user_ids: Array.from({ length: 1001 }, () => '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10') },
    ],
    ['a day', { issued_before: '2026-11-24' }],
    ['a time without a zone', { issued_before: '2026-11-24T10:00:00' }],
    ['a time that is none', { issued_before: '2026-13-24T10:00:00Z' }],
    ['a number for a time', { issued_before: 1_800_000_000 }],
    ['null for a time', { issued_before: null }],
    ['words for a time', { issued_before: 'yesterday' }],
    ['SQL', { ip: "' OR 1=1 --" }],
    ['NUL', { ip: '\0' }],
    ['a lone surrogate', { ip: '\udfff' }],
  ])('refuses %s', async (_, filter) => {
    expect(refusal(await revoke(filter))).toBe('400 validation_failed');
  });

  it('refuses prototype keys and broken JSON', async () => {
    for (const body of [
      '{"__proto__":{"role":"user"}}',
      '{"constructor":{"role":"user"}}',
      '{"role":',
      'null',
      '"x"',
    ]) {
      expect((await revoke(body)).statusCode).toBe(400);
    }
  });
});
