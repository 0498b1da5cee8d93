import { randomUUID } from 'node:crypto';
import { decodeProtectedHeader } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import {
  aUser,
  bearer,
  codeOf,
  get,
  login,
  post,
  refresh,
  sql,
  tryLogin,
  tryRefresh,
  until,
  verify,
} from '../helpers/client.js';
import type { Reply, Tokens } from '../helpers/client.js';

interface Key {
  readonly kid: string;
  readonly state: string;
  readonly promote_at: string;
}

let one: TestApp;
let two: TestApp;
let token: string;
beforeEach(async () => {
  one = await createTestApp();
  two = await createTestApp({ db: one.db });
  token = (await login(one)).access_token;
});
afterEach(async () => {
  await two.close();
  await one.close();
});

const refusal = (reply: Reply) => `${reply.statusCode} ${codeOf(reply)}`;
const kidOf = ({ access_token }: Pick<Tokens, 'access_token'>) => decodeProtectedHeader(access_token).kid!;

function call(method: 'POST' | 'DELETE', path: string, node = one, as = token): Promise<Reply> {
  return node.app.inject({ method, url: `/admin/keys${path}`, ...bearer(as) });
}
async function keys(node = one, as = token): Promise<Key[]> {
  const reply = await get(node, '/admin/keys', as);
  expect(reply.statusCode, reply.body).toBe(200);
  return reply.json<{ keys: Key[] }>().keys;
}
const published = async (node: TestApp) =>
  (await get(node, '/.well-known/jwks.json')).json<{ keys: { kid: string }[] }>().keys.map(({ kid }) => kid);
const events = () =>
  sql<{ cause: string; detail: object; actor: boolean }>(
    one,
    `SELECT cause, detail, actor_id IS NOT NULL AS actor FROM audit_events
      WHERE event = 'key' AND cause NOT IN ('created', 'imported') ORDER BY id`,
  );

describe('the signing keys', () => {
  it('lists keys with their state and without private parts', async () => {
    const reply = await get(one, '/admin/keys', token);
    const { kid } = { kid: kidOf({ access_token: token }) };
    expect(reply.json()).toEqual({
      keys: [
        {
          kid,
          state: 'current',
          created_at: expect.stringMatching(/Z$/),
          promote_at: expect.stringMatching(/Z$/),
          distrusted_at: null,
          accepted_until: null,
        },
      ],
      next_cursor: null,
    });
  });

  it('counts the access tokens of each key, and their users', async () => {
    const usage = async () =>
      (await get(one, '/admin/keys/usage', token)).json<{
        keys: { kid: string; tokens: number; users: number }[];
      }>().keys;
    const user = await aUser(one);
    const [before] = await usage();
    const tokens = await login(one, user);
    await refresh(one, tokens.refresh_token);
    const [after, ...others] = await usage();
    expect(others).toEqual([]);
    expect(after).toEqual({
      kid: kidOf({ access_token: token }),
      tokens: before!.tokens + 2,
      users: before!.users + 1,
      exact: true,
    });
    await sql(one, `UPDATE signing_keys SET promote_at = clock_timestamp() WHERE kid = $1`, [after!.kid]);
    expect(await usage()).toMatchObject([{ kid: after!.kid, tokens: 0, users: 0 }]);
    await sql(one, `UPDATE signing_keys SET promote_at = created_at WHERE kid = $1`, [after!.kid]);
    const own = await login(one, user);
    expect(codeOf(await get(one, '/admin/keys/usage', own.access_token))).toBe('forbidden');
  });

  it('rotates once for concurrent requests on several nodes', async () => {
    const [current] = await keys();
    const replies = await Promise.all([one, two, one, two].map((node) => call('POST', '/rotate', node)));
    const rings = replies.map((reply) => {
      expect(reply.statusCode, reply.body).toBe(200);
      return reply.json<{ keys: Key[]; promote_at: string }>();
    });
    expect(new Set(rings.map((ring) => JSON.stringify(ring))).size).toBe(1);
    const [{ keys: ring, promote_at }] = rings as [{ keys: Key[]; promote_at: string }];
    expect(ring.map(({ state }) => state)).toEqual(['next', 'current']);
    expect(ring[1]!.kid).toBe(current!.kid);
    expect(promote_at).toBe(ring[0]!.promote_at);
    expect(Date.parse(promote_at) - Date.now()).toBeGreaterThan(800_000);
    expect(await keys()).toEqual(ring);
    for (const node of [one, two]) {
      await until(async () => (await published(node)).includes(ring[0]!.kid), 1_000);
      expect(kidOf(await login(node))).toBe(current!.kid);
    }
    expect(await events()).toEqual([{ cause: 'rotated', detail: { kid: ring[0]!.kid }, actor: true }]);
  });

  it('rotates under load without failing a request, although nodes learn of it at different times', async () => {
    const user = await aUser(one);
    const before = await login(two, user);
    const first = kidOf(before);
    const next = (await call('POST', '/rotate')).json<{ keys: Key[] }>().keys[0]!.kid;
    const failures: string[] = [];
    const signed = { one: new Set<string>(), two: new Set<string>() };
    let running = true;
    let requests = 0;
    const note = (reply: Reply, status = 200) => {
      requests += 1;
      if (reply.statusCode !== status) failures.push(`${reply.statusCode} ${reply.body}`);
    };
    async function hammer(index: number): Promise<void> {
      const [here, there] = index % 2 === 0 ? ([one, two] as const) : ([two, one] as const);
      while (running) {
        const began = await tryLogin(here, user);
        note(began);
        let tokens = began.json<Tokens>();
        for (let round = 0; round < 5; round++) {
          signed[here === one ? 'one' : 'two'].add(kidOf(tokens));
          note(await get(there, '/auth/verify', tokens.access_token), 204);
          note(await get(here, '/auth/verify', before.access_token), 204);
          const refreshed = await tryRefresh(round % 2 === 0 ? there : here, tokens.refresh_token);
          note(refreshed);
          tokens = refreshed.json<Tokens>();
          note(await get(here, '/auth/verify', tokens.access_token), 204);
        }
      }
    }
    const load = Promise.all([0, 1, 2, 3].map(hammer));
    // As if the next key were about to be promoted. The topic tells the nodes to read the ring again.
    await sql(
      one,
      `UPDATE signing_keys SET promote_at = clock_timestamp() + interval '700 ms' WHERE kid = $1`,
      [next],
    );
    await sql(one, `UPDATE service_state SET versions = jsonb_set(versions, '{keys}', '1000')`);
    await until(async () => signed.one.has(next) && signed.two.has(next), 15_000);
    running = false;
    await load;
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(50);
    for (const kids of Object.values(signed)) expect([...kids].toSorted()).toEqual([first, next].toSorted());
    const states = new Map((await keys()).map(({ kid, state }) => [kid, state]));
    expect([states.get(next), states.get(first)]).toEqual(['current', 'previous']);
    for (const node of [one, two])
      expect((await published(node)).toSorted()).toEqual([first, next].toSorted());
  });

  it('distrusts a key immediately on one node and within a second on the other', async () => {
    const user = await aUser(one);
    const before = await login(two, user);
    expect(await verify(two, before.access_token)).toBe('204');
    const kid = kidOf(before);
    expect((await call('DELETE', `/${kid}`)).statusCode).toBe(204);
    expect(await verify(one, before.access_token)).toBe('401 token_revoked');
    await until(async () => (await verify(two, before.access_token)) === '401 token_revoked', 1_000);
    const after = await tryRefresh(two, before.refresh_token);
    expect(after.statusCode).toBe(200);
    expect(kidOf(after.json())).not.toBe(kid);
    for (const node of [one, two]) {
      expect(await published(node)).toEqual([kidOf(after.json())]);
      expect(await verify(node, after.json<Tokens>().access_token)).toBe('204');
    }
    token = (await login(one)).access_token;
    expect((await keys()).map((key) => [key.kid, key.state])).toEqual([
      [kidOf(after.json()), 'current'],
      [kid, 'distrusted'],
    ]);
    // A repetition on any node changes nothing and writes no event.
    expect((await call('DELETE', `/${kid}`, two)).statusCode).toBe(204);
    expect(await events()).toEqual([
      { cause: 'distrusted', detail: { kid, successor: kidOf(after.json()) }, actor: true },
    ]);
  });

  it('rejects tokens of a distrusted key, but accepts them at logout', async () => {
    const made = await post(one, '/admin/clients', { name: 'billing' }, bearer(token));
    const { client_id, client_secret } = made.json<{ client_id: string; client_secret: string }>();
    const basic = Buffer.from(`${client_id}:${client_secret}`).toString('base64');
    const oauth = (url: string, accessToken: string) =>
      one.app.inject({
        method: 'POST',
        url,
        headers: { authorization: `Basic ${basic}`, 'content-type': 'application/x-www-form-urlencoded' },
        payload: `token=${accessToken}`,
      });
    const user = await aUser(one);
    const [first, second] = [await login(one, user), await login(one, user)];
    const [header, payload] = first.access_token.split('.');
    await call('DELETE', `/${kidOf(first)}`);
    for (const node of [one, two]) {
      await until(async () => (await verify(node, first.access_token)) === '401 token_revoked', 1_000);
      // Only a token that the distrusted key signed is identified as ours.
      expect(await verify(node, `${header}.${payload}.${'A'.repeat(342)}`)).toBe('401 token_invalid');
    }
    expect((await oauth('/oauth/introspect', first.access_token)).json()).toEqual({ active: false });
    for (let time = 0; time < 2; time++)
      expect((await post(one, '/auth/logout', undefined, bearer(first.access_token))).statusCode).toBe(204);
    expect(refusal(await tryRefresh(one, first.refresh_token))).toBe('401 refresh_token_revoked');
    const forged = await post(
      one,
      '/auth/logout',
      undefined,
      bearer(`${header}.${payload}.${'A'.repeat(342)}`),
    );
    expect(refusal(forged)).toBe('401 token_invalid');
    expect((await oauth('/oauth/revoke', second.access_token)).statusCode).toBe(200);
    expect(refusal(await tryRefresh(two, second.refresh_token))).toBe('401 refresh_token_revoked');
  });

  it('replaces a distrusted key by the next key if there is one', async () => {
    const kid = kidOf({ access_token: token });
    const next = (await call('POST', '/rotate')).json<{ keys: Key[] }>().keys[0]!.kid;
    expect((await call('DELETE', `/${kid}`)).statusCode).toBe(204);
    const tokens = await login(one);
    expect(kidOf(tokens)).toBe(next);
    token = tokens.access_token;
    expect(await keys()).toMatchObject([{ kid: next, state: 'current' }, { state: 'distrusted' }]);
  });

  it('answers 404 for an unknown key', async () => {
    for (const kid of [
      'unknown',
      'x'.repeat(43),
      '%27%20OR%201=1',
      '%F0%9F%92%A5',
      '__proto__',
      '%00',
      'rotate',
    ]) {
      expect(refusal(await call('DELETE', `/${kid}`))).toBe('404 not_found');
    }
    expect((await call('DELETE', `/%ED%A0%80`)).statusCode).toBeLessThan(500);
    expect((await call('DELETE', `/${'x'.repeat(300)}`)).statusCode).toBeLessThan(500);
    expect(await events()).toEqual([]);
  });

  it('paginates the keys', async () => {
    await call('POST', '/rotate');
    const all = await keys();
    const page = (await get(one, '/admin/keys?limit=1', token)).json<{ keys: Key[]; next_cursor: string }>();
    expect(page.keys).toEqual(all.slice(0, 1));
    const rest = (await get(one, `/admin/keys?limit=1&cursor=${page.next_cursor}`, token)).json();
    expect(rest).toEqual({ keys: all.slice(1), next_cursor: null });
    for (const query of [
      'limit=0',
      'cursor=AAAA',
      `cursor=${'A'.repeat(2000)}`,
      'cursor=a&cursor=b',
      'state=next',
    ]) {
      expect(refusal(await get(one, `/admin/keys?${query}`, token))).toBe('400 validation_failed');
    }
  });

  it('refuses users who are not administrators', async () => {
    const own = (await login(one, await aUser(one))).access_token;
    expect(refusal(await get(one, '/admin/keys', own))).toBe('403 forbidden');
    expect(refusal(await call('POST', '/rotate', one, own))).toBe('403 forbidden');
    expect(refusal(await call('DELETE', `/${kidOf({ access_token: own })}`, one, own))).toBe('403 forbidden');
    expect(refusal(await get(one, '/admin/keys'))).toBe('401 token_missing');
    expect(refusal(await call('DELETE', `/${randomUUID()}`, one, 'x.y.z'))).toBe('401 token_malformed');
  });
});
