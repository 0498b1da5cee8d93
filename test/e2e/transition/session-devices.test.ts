import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, get, login, sidOf, sql, tokensOf, verify } from '../../helpers/client.js';
import type { Account, Reply } from '../../helpers/client.js';
import {
  SECRET,
  bySession,
  cookieFor,
  sessionLogin,
  sidIn,
  statusOf,
  verifySession,
} from './session-client.js';

interface Entry {
  readonly id: string;
  readonly scheme: string;
  readonly user_id: string;
  readonly created_at: string;
  readonly last_used_at: string;
  readonly expires_at: string;
  readonly ip: string | null;
  readonly current: boolean;
}

let node: TestApp;
beforeAll(async () => {
  node = await createTestApp({ env: { SESSION_SECRET: SECRET, SESSION_EXPIRY: '3600' } });
});
afterAll(() => node.close());

const devicesIn = (reply: Reply) => reply.json<{ devices: Entry[] }>().devices;

const remove = (path: string, accessToken: string) =>
  node.app.inject({ method: 'DELETE', url: path, ...bearer(accessToken) });

/** A session as another application keeps it. */
async function foreignSession(sess: string, user: string | null): Promise<string> {
  const sid = randomUUID();
  const held = user === null ? sess : `{"userId":${JSON.stringify(user)},${sess.slice(1)}`;
  await sql(
    node,
    `INSERT INTO session (sid, sess, expire) VALUES ($1, $2::json, now() + interval '1 hour')`,
    [sid, held],
  );
  return cookieFor(sid);
}

describe('the devices of a user with sessions', () => {
  let user: Account;
  beforeAll(async () => {
    user = await aUser(node);
  });

  it('do not include sessions that the product began for an administrator, which are refused', async () => {
    const admin = await aUser(node);
    const [own, theirs] = [await sessionLogin(node, admin), await foreignSession('{"n":1}', admin.id)];
    const tokens = await login(node, admin);
    expect(devicesIn(await get(node, '/auth/devices', tokens.access_token))).toHaveLength(3);
    await sql(node, `UPDATE users SET role = 'admin' WHERE id = $1`, [admin.id]);
    expect([await verifySession(node, own), await verifySession(node, theirs)]).toEqual([
      '204',
      '401 session_invalid',
    ]);
    const devices = devicesIn(await bySession(node, own, { url: '/auth/devices' }));
    expect(devices.map(({ scheme, current }) => `${scheme} ${current}`).toSorted()).toEqual([
      'bearer false',
      'session true',
    ]);
    const url = `/admin/tokens?scheme=session&user_id=${admin.id}`;
    expect((await bySession(node, own, { url })).json<{ tokens: Entry[] }>().tokens).toHaveLength(1);
    const all = (await bySession(node, own, { url: '/admin/tokens?scheme=session&limit=100' })).json<{
      tokens: Entry[];
    }>();
    expect(all.tokens.filter(({ user_id }) => user_id === admin.id)).toHaveLength(1);
  });

  it('include the own session of an administrator although the product has written hundreds', async () => {
    const admin = await aUser(node);
    const own = await sessionLogin(node, admin);
    await sql(node, `UPDATE users SET role = 'admin' WHERE id = $1`, [admin.id]);
    await sql(
      node,
      `INSERT INTO session (sid, sess, expire)
      SELECT gen_random_uuid()::text, json_build_object('userId', $1::text), now() + interval '9 days' FROM generate_series(1, 300)`,
      [admin.id],
    );
    const devices = devicesIn(await bySession(node, own, { url: '/auth/devices' }));
    expect(devices.map(({ scheme, current }) => [scheme, current])).toEqual([['session', true]]);
  });

  it('include each session under an id that reveals nothing, and mark the one that calls', async () => {
    const someone = await aUser(node);
    const [here, there] = [await sessionLogin(node, someone), await sessionLogin(node, someone)];
    const tokens = await login(node, someone);
    const reply = await bySession(node, here, { url: '/auth/devices' });
    expect(reply.statusCode).toBe(200);
    const devices = devicesIn(reply);
    expect(devices.map(({ scheme }) => scheme).toSorted()).toEqual(['bearer', 'session', 'session']);
    expect(devices.filter(({ current }) => current)).toMatchObject([{ scheme: 'session', ip: null }]);
    for (const cookie of [here, there]) expect(reply.body).not.toContain(sidIn(cookie));
    for (const { id, scheme, created_at, last_used_at, expires_at } of devices) {
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-[48][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      if (scheme === 'session') expect(created_at).toBe(last_used_at);
      expect(Date.parse(last_used_at)).toBeLessThanOrEqual(Date.now() + 1_000);
      expect(Date.parse(expires_at)).toBeGreaterThan(Date.now());
    }
    const byToken = devicesIn(await get(node, '/auth/devices', tokens.access_token));
    expect(byToken.map(({ id }) => id).toSorted()).toEqual(devices.map(({ id }) => id).toSorted());
    expect(byToken.filter(({ current }) => current)).toMatchObject([{ id: sidOf(tokens) }]);
  });

  it('contain a session and the family that is linked to it once, as the family', async () => {
    const someone = await aUser(node);
    const cookie = await sessionLogin(node, someone);
    const tokens = tokensOf(
      await bySession(node, cookie, { method: 'POST', url: '/auth/exchange', payload: {} }),
    );
    for (const reply of [
      await bySession(node, cookie, { url: '/auth/devices' }),
      await get(node, '/auth/devices', tokens.access_token),
    ]) {
      expect(devicesIn(reply)).toMatchObject([{ id: sidOf(tokens), scheme: 'bearer', current: true }]);
    }
  });

  it('can be logged out by the id of a session, and again, but not by another user', async () => {
    const cookie = await sessionLogin(node, user);
    const tokens = await login(node, user);
    const stranger = await login(node, await aUser(node));
    const [{ id }] = devicesIn(await get(node, '/auth/devices', tokens.access_token)).filter(
      ({ scheme }) => scheme === 'session',
    ) as [Entry];
    expect(statusOf(await remove(`/auth/devices/${id}`, stranger.access_token))).toBe('404 device_not_found');
    expect(await verifySession(node, cookie)).toBe('204');
    expect((await remove(`/auth/devices/${id}`, tokens.access_token)).statusCode).toBe(204);
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    expect((await remove(`/auth/devices/${id}`, tokens.access_token)).statusCode).toBe(204);
    expect(statusOf(await remove(`/auth/devices/${id}`, stranger.access_token))).toBe('404 device_not_found');
    expect(await verify(node, tokens.access_token)).toBe('204');
  });

  it('are listed whatever another application wrote into its sessions', async () => {
    const someone = await aUser(node);
    const odd = [
      '{"n":1e200000}',
      '{"cookie":{"originalMaxAge":"x"}}',
      '{"cookie":{"originalMaxAge":-1e300}}',
    ];
    for (const sess of [...odd, '{"cookie":null}', '{"cookie":{"originalMaxAge":1800000}}'])
      await foreignSession(sess, someone.id);
    const cookie = await foreignSession('{"cookie":{}}', someone.id.toUpperCase());
    const devices = devicesIn(await bySession(node, cookie, { url: '/auth/devices' }));
    expect(devices).toHaveLength(6);
    expect(devices.filter(({ current }) => current)).toHaveLength(1);
    for (const { last_used_at } of devices) expect(Date.parse(last_used_at)).not.toBeNaN();
  });

  it('show when a session was last used, from its own maximum age', async () => {
    const someone = await aUser(node);
    const cookie = await foreignSession('{"cookie":{"originalMaxAge":7200000}}', someone.id);
    const tokens = await login(node, someone);
    await sql(node, `UPDATE session SET expire = now() + interval '90 minutes' WHERE sid = $1`, [
      sidIn(cookie),
    ]);
    const [device] = devicesIn(await get(node, '/auth/devices', tokens.access_token)).filter(
      ({ scheme }) => scheme === 'session',
    );
    const lastUsed = Date.parse(device!.expires_at) - 7_200_000 - 1_000;
    expect(Date.parse(device!.last_used_at)).toBe(lastUsed);
  });
});

describe('the list of an administrator', () => {
  let root: string;
  let user: Account;
  beforeAll(async () => {
    root = (await login(node)).access_token;
    user = await aUser(node);
  });

  const list = async (query: string) =>
    (await get(node, `/admin/tokens?${query}`, root)).json<{ tokens: Entry[]; next_cursor: string | null }>();

  async function all(query: string, limit: number): Promise<Entry[]> {
    const found: Entry[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page = await list(`${query}&limit=${limit}${cursor === '' ? '' : `&cursor=${cursor}`}`);
      expect(page.tokens.length).toBeLessThanOrEqual(limit);
      found.push(...page.tokens);
      cursor = page.next_cursor;
    }
    return found;
  }

  it('contains families by default, and sessions in the same form if it is asked for them', async () => {
    const cookie = await sessionLogin(node, user);
    const tokens = await login(node, user);
    const families = await list(`user_id=${user.id}`);
    expect(families.tokens).toMatchObject([{ id: sidOf(tokens), scheme: 'bearer' }]);
    const sessions = await list(`user_id=${user.id}&scheme=session`);
    expect(sessions.tokens).toMatchObject([
      { scheme: 'session', user_id: user.id, username: user.username, state: 'active', ip: null },
    ]);
    expect(Object.keys(sessions.tokens[0]!).toSorted()).toEqual(Object.keys(families.tokens[0]!).toSorted());
    expect(JSON.stringify(sessions)).not.toContain(sidIn(cookie));
    const both = await list(`user_id=${user.id}&scheme=all`);
    expect(both.tokens.map(({ scheme }) => scheme)).toEqual(['bearer', 'session']);
    expect((await list(`user_id=${user.id}&scheme=session&active=false`)).tokens).toEqual([]);
    expect((await list(`user_id=${user.id}&scheme=session&ip=192.0.2.1`)).tokens).toEqual([]);
  });

  it('contains the sessions that match the filters, and counts the same', async () => {
    const someone = await aUser(node, { role: 'clerk' });
    await sessionLogin(node, someone);
    await sessionLogin(node, someone);
    await login(node, someone);
    const hour = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();
    const matches: [string, number, number][] = [
      [`username=${someone.username.toUpperCase()}`, 2, 1],
      [`user_id=${someone.id}&username=${user.username}`, 0, 0],
      ['role=clerk', 2, 1],
      [`role=clerk&used_since=${hour(-1)}`, 2, 1],
      [`role=clerk&used_since=${hour(1)}`, 0, 0],
      [`role=clerk&used_before=${hour(1)}&state=active`, 2, 1],
      [`role=clerk&used_before=${hour(-1)}`, 0, 0],
      ['role=clerk&state=revoked', 0, 0],
      ['role=clerk&user_agent=light', 0, 1],
      [`role=clerk&began_since=${hour(-1)}`, 0, 1],
      [`user_id=${someone.id}&role=clerk`, 2, 1],
      [`user_id=${someone.id}&role=user`, 0, 0],
    ];
    for (const [query, sessions, families] of matches) {
      const found = await all(`scheme=all&${query}`, 2);
      const by = (scheme: string) => found.filter((entry) => entry.scheme === scheme).length;
      expect([query, by('session'), by('bearer')]).toEqual([query, sessions, families]);
      const count = async (scheme: string) =>
        (await get(node, `/admin/tokens/count?scheme=${scheme}&${query}`, root)).json<unknown>();
      expect(await count('session')).toEqual({ count: sessions, exact: true });
      expect(await count('all')).toEqual({ count: sessions + families, exact: true });
    }
  });

  it('marks the session that asks', async () => {
    const cookie = await sessionLogin(node, await aUser(node, { role: 'admin' }));
    const mine = async () =>
      (await bySession(node, cookie, { url: '/admin/tokens?scheme=all&limit=100' }))
        .json<{ tokens: Entry[] }>()
        .tokens.filter(({ current }) => current);
    expect(await mine()).toMatchObject([{ scheme: 'session' }]);
  });

  it('contains each session of a user once over all pages, and no session of an anonymous visitor', async () => {
    const someone = await aUser(node);
    for (let i = 0; i < 5; i += 1) await sessionLogin(node, someone);
    const tokens = await login(node, someone);
    for (let i = 0; i < 5; i += 1) await foreignSession('{"cart":[]}', null);
    for (const query of [`user_id=${someone.id}&scheme=all`, 'scheme=all']) {
      for (const limit of [1, 2, 5, 100]) {
        const entries = (await all(query, limit)).filter(({ user_id }) => user_id === someone.id);
        expect(new Set(entries.map(({ id }) => id)).size).toBe(6);
        expect(entries).toHaveLength(6);
        expect(entries[0]).toMatchObject({ id: sidOf(tokens), scheme: 'bearer' });
      }
    }
  });

  it('revokes a session by the id that it has shown, and knows no other id', async () => {
    const cookie = await sessionLogin(node, user);
    const other = await sessionLogin(node, user);
    const { tokens } = await list(`user_id=${user.id}&scheme=session`);
    const ids = new Map(tokens.map(({ id }) => [id, id]));
    expect(statusOf(await remove(`/admin/tokens/${randomUUID()}`, root))).toBe('404 not_found');
    const mine = devicesIn(await bySession(node, cookie, { url: '/auth/devices' })).find(
      (d) => d.current,
    )!.id;
    expect(ids.has(mine)).toBe(true);
    expect((await remove(`/admin/tokens/${mine}`, root)).statusCode).toBe(204);
    expect((await remove(`/admin/tokens/${mine}`, root)).statusCode).toBe(204);
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    expect(await verifySession(node, other)).toBe('204');
    const events = await sql<{ actor_id: string | null }>(
      node,
      `SELECT actor_id FROM audit_events WHERE event = 'revoke' AND user_id = $1`,
      [user.id],
    );
    expect(events).toHaveLength(1);
    expect(events[0]!.actor_id).not.toBeNull();
  });

  it('revokes a session together with the family that it was exchanged for since', async () => {
    const someone = await aUser(node);
    const cookie = await sessionLogin(node, someone);
    const { tokens } = await list(`user_id=${someone.id}&scheme=session`);
    const exchanged = tokensOf(
      await bySession(node, cookie, { method: 'POST', url: '/auth/exchange', payload: {} }),
    );
    expect((await remove(`/admin/tokens/${tokens[0]!.id}`, root)).statusCode).toBe(204);
    expect(await verify(node, exchanged.access_token)).toBe('401 token_revoked');
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
  });

  it('refuses a cursor of another list, and a scheme that does not exist', async () => {
    const refused = async (query: string) => (await get(node, `/admin/tokens?${query}`, root)).statusCode;
    const { next_cursor } = await list('limit=1');
    expect(await refused(`scheme=session&cursor=${next_cursor}`)).toBe(400);
    expect(await refused(`cursor=${Buffer.from(`sessions:${randomUUID()}`).toString('base64url')}`)).toBe(
      400,
    );
    expect(
      await refused(`scheme=all&cursor=${Buffer.from(`sessions:${randomUUID()}`).toString('base64url')}`),
    ).toBe(400);
    expect(await refused('scheme=cookie')).toBe(400);
  });
});
