import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createAuthClient } from '@tandem-auth/client';
import type { AuthClient } from '@tandem-auth/client';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { MapStorage } from '../../helpers/client-storage.js';
import { Jar, Wire, gate } from '../../helpers/client-wire.js';
import { aUser, bearer, login, sql } from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';
import { sessionLogin } from './session-client.js';

const TABS = 12;
const REFRESH = '/auth/refresh';
const PATIENCE = { timeout: 20_000 };

describe('@tandem-auth/client and sessions', () => {
  let node: TestApp;
  let admin: string;
  let user: Account;
  let jar: Jar;
  let storage: MapStorage;
  let wire: Wire;
  const clients: AuthClient[] = [];

  beforeAll(async () => {
    node = await createTestApp({ listen: true, env: { SESSION_SECRET: 'of a test' } });
    admin = (await login(node)).access_token;
  });
  afterAll(() => node.close());
  beforeEach(async () => {
    await rollout({ phase: 'gradual_rollout', percentage: 100, drain: false });
    user = await aUser(node);
    jar = new Jar();
    storage = new MapStorage();
    wire = new Wire(jar);
  });
  afterEach(() => clients.splice(0).forEach((each) => each.dispose()));

  async function rollout(payload: object): Promise<void> {
    const reply = await node.app.inject({
      method: 'PATCH',
      url: '/admin/rollout',
      payload,
      ...bearer(admin),
    });
    expect(reply.statusCode, reply.body).toBe(200);
  }

  /** The user's access tokens are refused from now on. */
  async function demote(): Promise<void> {
    const url = `/admin/users/${user.id}`;
    const reply = await node.app.inject({
      method: 'PATCH',
      url,
      payload: { role: 'editor' },
      ...bearer(admin),
    });
    expect(reply.statusCode, reply.body).toBe(200);
  }

  /** A client that uses the cookies of the jar, as all tabs of a browser do. */
  function tab({ fetch } = wire): AuthClient {
    const made = createAuthClient({ baseUrl: node.url, storage, delivery: 'cookie', fetch });
    clients.push(made);
    return made;
  }

  const tabs = () => Array.from({ length: TABS }, () => tab());

  async function useSession(): Promise<void> {
    jar.keep([`${await sessionLogin(node, user)}; Path=/`]);
  }

  const families = () =>
    sql<{ revoked: boolean }>(
      node,
      `SELECT revoked_at IS NOT NULL AS revoked FROM refresh_tokens WHERE user_id = $1`,
      [user.id],
    );

  const sessions = () => sql(node, `SELECT sid FROM session WHERE sess->>'userId' = $1`, [user.id]);

  const nameFrom = async (from: AuthClient) =>
    ((await (await from.fetch('/api/users/me')).json()) as { username?: string }).username;

  const allSignedIn = (all: AuthClient[]) =>
    expect.poll(() => all.map(({ state }) => state), PATIENCE).toEqual(all.map(() => 'signed-in'));

  const tokensOf = (all: AuthClient[]) => Promise.all(all.map((each) => each.getAccessToken()));

  it('keeps the refresh token of a cookie delivery out of the storage', async () => {
    const client = tab();
    await client.login(user);
    expect(storage.value).toMatch(/^tandem1 [0-9a-f-]{36} {2}$/);
    await client.logout();
    expect([storage.value, jar.has('refresh_token')]).toEqual([undefined, false]);
  });

  it('asks once for an anonymous visitor, and does not refresh', async () => {
    const client = tab();
    for (let request = 0; request < 3; request++)
      expect((await client.fetch('/api/users/me')).status).toBe(401);
    await expect.poll(() => wire.count('GET /auth/migration'), PATIENCE).toBe(1);
    expect(wire.count('POST /auth/refresh')).toBe(0);
    expect(client.state).toBe('signed-out');
  });

  it('exchanges a session for one family, however many tabs ask', async () => {
    await useSession();
    const all = tabs();
    await allSignedIn(all);
    expect(new Set(await Promise.all(all.map(nameFrom)))).toEqual(new Set([user.username]));
    expect((await tokensOf(all)).every((token) => token !== undefined)).toBe(true);
    expect(await families()).toEqual([{ revoked: false }]);
  });

  it('sends no refresh token while an older one may be on its way, after an exchange in another tab', async () => {
    await rollout({ phase: 'off' });
    await useSession();
    const [slow, late] = [new Wire(jar), new Wire(jar)];
    const [arrival, exchange] = [gate(), gate()];
    slow.onSend = (path) => {
      if (path === REFRESH && slow.count(`POST ${REFRESH}`) === 1) return arrival.opened;
    };
    late.onCall = (path) => {
      if (path === '/auth/exchange' && late.count(`POST ${path}`) === 1) return exchange.opened;
    };
    const before = [tab(), tab(slow)];
    await allSignedIn(before);
    await rollout({ phase: 'gradual_rollout', percentage: 100, drain: false });
    const overtaken = tab(late);
    await expect.poll(() => late.count('POST /auth/exchange'), PATIENCE).toBe(1);
    const first = tab();
    // One of the tabs that used the session refreshes. The first refresh token of the other is still on its way.
    await expect.poll(() => before[0]!.getAccessToken(), PATIENCE).toBeDefined();
    await expect.poll(() => slow.count(`POST ${REFRESH}`), PATIENCE).toBe(1);
    exchange.open();
    await allSignedIn([overtaken]);
    arrival.open();
    const all = [...before, overtaken, first];
    await expect.poll(() => tokensOf(all).then((each) => each.includes(undefined)), PATIENCE).toBe(false);
    expect(new Set(await Promise.all(all.map(nameFrom)))).toEqual(new Set([user.username]));
    expect(await families()).toEqual([{ revoked: false }]);
  });

  it('stays on the session while tokens are not enabled for the user', async () => {
    await rollout({ phase: 'off' });
    await useSession();
    const client = tab();
    await allSignedIn([client]);
    expect(await nameFrom(client)).toBe(user.username);
    expect([await client.getAccessToken(), wire.count('POST /auth/exchange')]).toEqual([undefined, 0]);
  });

  it('goes back to one session in a rollback with drain, and to tokens again, in every tab', async () => {
    const [first, ...others] = tabs();
    await first!.login(user);
    const all = [first!, ...others];
    await allSignedIn(all);
    await Promise.all(all.map(nameFrom));

    await rollout({ phase: 'off', drain: true });
    // The access tokens stop working, and no refresh is possible.
    await demote();
    expect(new Set(await Promise.all(all.map(nameFrom)))).toEqual(new Set([user.username]));
    expect(await tokensOf(all)).toEqual(all.map(() => undefined));
    expect((await sessions()).length).toBe(1);
    expect(await families()).toEqual([{ revoked: true }]);
    await allSignedIn(all);

    await rollout({ phase: 'gradual_rollout', percentage: 100, drain: false });
    const later = tabs();
    await allSignedIn(later);
    expect(new Set(await Promise.all([...all, ...later].map(nameFrom)))).toEqual(new Set([user.username]));
    expect((await families()).filter(({ revoked }) => !revoked).length).toBe(1);
  });

  it('repeats a request after a rollback, while another tab has spent the refresh token and stores its session', async () => {
    const [quick, late] = [new Wire(jar), new Wire(jar)];
    const [client, other] = [tab(quick), tab(late)];
    await client.login(user);
    await expect.poll(() => other.getAccessToken(), PATIENCE).toBeDefined();
    await rollout({ phase: 'off', drain: true });
    await demote();
    const stored = gate();
    quick.onAnswer = async (path, answer) => {
      if (path === '/auth/downgrade') await stored.opened;
      return answer;
    };
    const first = nameFrom(client);
    await expect
      .poll(() => [jar.has('session_id'), jar.has('refresh_token')], PATIENCE)
      .toEqual([true, false]);
    late.onAnswer = (path, answer) => {
      if (path === REFRESH) stored.open();
      return answer;
    };
    expect(await nameFrom(other)).toBe(user.username);
    expect(await first).toBe(user.username);
    expect((await sessions()).length).toBe(1);
  });

  it('finds the session of a tab that was killed between its downgrade and the storage', async () => {
    const client = tab();
    await client.login(user);
    const before = storage.value!;
    await rollout({ phase: 'off', drain: true });
    const killed = tab();
    wire.onAnswer = (path, answer) => (path === '/auth/downgrade' ? new Promise(() => {}) : answer);
    void killed.getAccessToken();
    await expect.poll(() => wire.count('POST /auth/downgrade'), PATIENCE).toBe(1);
    await expect.poll(async () => (await sessions()).length, PATIENCE).toBe(1);
    await expect.poll(() => jar.has('session_id'), PATIENCE).toBe(true);
    wire.onAnswer = (_path, answer) => answer;
    expect(storage.value).toBe(before);
    const next = tab();
    await allSignedIn([next]);
    expect(await nameFrom(next)).toBe(user.username);
  });

  it('is signed out when the session ends, and logs a session out', async () => {
    await rollout({ phase: 'off' });
    await useSession();
    const client = tab();
    await allSignedIn([client]);
    await client.logout();
    expect([client.state, storage.value, (await sessions()).length]).toEqual(['signed-out', undefined, 0]);

    await useSession();
    const later = tab();
    await allSignedIn([later]);
    await sql(node, `DELETE FROM session WHERE sess->>'userId' = $1`, [user.id]);
    await later.fetch('/api/users/me');
    await expect.poll(() => [later.state, storage.value], PATIENCE).toEqual(['signed-out', undefined]);
  });
});
