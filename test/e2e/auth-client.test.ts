import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createAuthClient } from '@tandem-auth/client';
import type { AuthClient, AuthClientOptions } from '@tandem-auth/client';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { MapStorage } from '../helpers/client-storage.js';
import { Jar, Wire, gate } from '../helpers/client-wire.js';
import { aUser, bearer, login, sql } from '../helpers/client.js';
import type { Account } from '../helpers/client.js';

const REFRESH = 'POST /auth/refresh';
const PATIENCE = { timeout: 20_000 };

describe('@tandem-auth/client against the service', () => {
  let node: TestApp;
  let admin: string;
  let user: Account;
  let storage: MapStorage;
  let wire: Wire;
  let client: AuthClient;
  const clients: AuthClient[] = [];

  beforeAll(async () => {
    node = await createTestApp({ listen: true });
    admin = (await login(node)).access_token;
  });
  afterAll(() => node.close());
  beforeEach(async () => {
    user = await aUser(node);
    storage = new MapStorage();
    wire = new Wire();
    client = tab();
  });
  afterEach(() => clients.splice(0).forEach((each) => each.dispose()));

  /** Another client on the same storage, unless the options say otherwise. */
  function tab(options: Partial<AuthClientOptions> = {}): AuthClient {
    const made = createAuthClient({ baseUrl: node.url, storage, fetch: wire.fetch, ...options });
    clients.push(made);
    return made;
  }

  /** The user's access tokens are refused from now on: a refresh gives new ones. */
  async function revokeAccessTokens(role = 'editor'): Promise<void> {
    const reply = await node.app.inject({
      method: 'PATCH',
      url: `/admin/users/${user.id}`,
      payload: { role },
      ...bearer(admin),
    });
    expect(reply.statusCode).toBe(200);
  }

  async function revokeUser(): Promise<void> {
    const url = `/admin/users/${user.id}/revoke`;
    const reply = await node.app.inject({ method: 'POST', url, ...bearer(admin) });
    expect(reply.statusCode).toBe(200);
  }

  const families = (account = user) =>
    sql<{ id: string; revoked: boolean }>(
      node,
      `SELECT id, revoked_at IS NOT NULL AS revoked FROM refresh_tokens WHERE user_id = $1`,
      [account.id],
    );

  const nameFrom = async (from: AuthClient) =>
    ((await (await from.fetch('/api/users/me')).json()) as { username?: string }).username;

  it('logs in, calls the API and logs out', async () => {
    const states: string[] = [];
    const stop = client.on('state', (state) => states.push(state));
    await client.login(user);
    expect(await nameFrom(client)).toBe(user.username);
    await client.logout();
    expect((await client.fetch('/api/users/me')).status).toBe(401);
    stop();
    await client.login(user);
    expect(states).toEqual(['signed-in', 'signed-out']);
    expect((await families()).filter(({ revoked }) => revoked).length).toBe(1);
  });

  it('refuses a wrong password with status and code, and stays signed out', async () => {
    await expect(client.login({ ...user, password: 'not the password' })).rejects.toMatchObject({
      name: 'AuthError',
      status: 401,
      code: 'invalid_credentials',
    });
    expect([client.state, storage.value]).toEqual(['signed-out', undefined]);
  });

  it('repeats a request once after a change of role, with its body', async () => {
    await client.login(user);
    await revokeAccessTokens();
    const body = JSON.stringify({
      current_password: user.password,
      new_password: 'a much better pass phrase',
    });
    const headers = { 'content-type': 'application/json' };
    const answer = await client.fetch('/auth/password', { method: 'POST', body, headers });
    expect(answer.status).toBe(204);
    expect([wire.count(REFRESH), wire.count('POST /auth/password')]).toEqual([1, 2]);
    await revokeAccessTokens('user');
    const request = new Request(`${node.url}/auth/reauthenticate`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ password: 'a much better pass phrase' }),
    });
    expect((await client.fetch(request)).status).toBe(204);
    expect([wire.count(REFRESH), wire.count('POST /auth/reauthenticate')]).toEqual([2, 2]);
  });

  it('runs one refresh for many requests', async () => {
    await client.login(user);
    await revokeAccessTokens();
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.fetch('/api/users/me')));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(wire.count(REFRESH)).toBe(1);
  });

  it('gets the same successor after a lost answer', async () => {
    await client.login(user);
    await revokeAccessTokens();
    let lost = 0;
    wire.onAnswer = (path, answer) => {
      if (path === '/auth/refresh' && lost++ < 2) throw new TypeError('the connection was reset');
      return answer;
    };
    expect(await nameFrom(client)).toBe(user.username);
    expect([lost, client.state]).toEqual([3, 'signed-in']);
    expect(await families()).toEqual([{ id: expect.any(String), revoked: false }]);
  });

  it('starts again from the storage, after the refresh whose answer nobody stored', async () => {
    await client.login(user);
    await revokeAccessTokens();
    const held = gate();
    wire.onAnswer = async (path, answer) => {
      if (path === '/auth/refresh') await held.opened;
      return answer;
    };
    const waiting = client.fetch('/api/users/me');
    await expect.poll(() => wire.count(REFRESH), PATIENCE).toBe(1);
    // As if the process had been killed. The next one reads the token that is spent.
    client.dispose();
    wire.onAnswer = (_path, answer) => answer;
    expect(await nameFrom(tab())).toBe(user.username);
    held.open();
    await waiting;
    expect((await families())[0]!.revoked).toBe(false);
  });

  it('never overwrites the logout of another tab with a refresh that was under way', async () => {
    await client.login(user);
    await revokeAccessTokens();
    const held = gate();
    wire.onAnswer = async (path, answer) => {
      if (path === '/auth/refresh') await held.opened;
      return answer;
    };
    const waiting = client.fetch('/api/users/me');
    await expect.poll(() => wire.count(REFRESH), PATIENCE).toBe(1);
    const other = new Wire();
    await tab({ fetch: other.fetch }).logout();
    held.open();
    expect((await waiting).status).toBe(401);
    expect([storage.value, client.state]).toEqual([undefined, 'signed-out']);
    expect((await families())[0]!.revoked).toBe(true);
  });

  it('lets twelve tabs refresh at the same time without losing the login', async () => {
    await client.login(user);
    const tabs = [client, ...Array.from({ length: 11 }, () => tab())];
    await Promise.all(tabs.map(nameFrom));
    for (let round = 0; round < 4; round++) {
      await revokeAccessTokens(round % 2 === 0 ? 'editor' : 'user');
      const before = wire.count(REFRESH);
      expect(new Set(await Promise.all(tabs.map(nameFrom)))).toEqual(new Set([user.username]));
      expect(wire.count(REFRESH) - before).toBe(12);
    }
    expect(tabs.map(({ state }) => state)).toEqual(tabs.map(() => 'signed-in'));
    expect(await families()).toEqual([{ id: expect.any(String), revoked: false }]);
  });

  it('does not let the cookie of a late answer replace a newer one', async () => {
    client.dispose();
    const jar = new Jar();
    wire = new Wire(jar);
    client = tab({ delivery: 'cookie', fetch: wire.fetch });
    await client.login(user);
    const other = tab({ delivery: 'cookie', fetch: wire.fetch });
    await expect.poll(() => other.state, PATIENCE).toBe('signed-in');
    await revokeAccessTokens();
    const held = gate();
    let signal: AbortSignal | null | undefined;
    wire.onReply = async (path, its) => {
      if (path !== '/auth/refresh' || signal !== undefined) return;
      signal = its;
      await held.opened;
    };
    const waiting = nameFrom(client);
    await expect.poll(() => signal?.aborted, PATIENCE).toBe(false);
    // The other tab gets the same successor, uses it, and refreshes again.
    expect(await nameFrom(other)).toBe(user.username);
    await revokeAccessTokens('user');
    expect(await nameFrom(other)).toBe(user.username);
    await expect.poll(() => signal!.aborted, { timeout: 10_000 }).toBe(true);
    held.open();
    expect(await waiting).toBe(user.username);
    const current = jar.header('/auth');
    await Promise.all([nameFrom(client), nameFrom(other)]);
    expect(jar.header('/auth')).toBe(current);
    await revokeAccessTokens();
    expect(await Promise.all([nameFrom(client), nameFrom(other)])).toEqual([user.username, user.username]);
    expect(await families()).toEqual([{ id: expect.any(String), revoked: false }]);
  });

  it('signs a tab out when another user signs in in another tab, and repeats no request of the first', async () => {
    await client.login(user);
    const second = await aUser(node);
    const other = tab({ fetch: new Wire().fetch });
    await other.login(second);
    await revokeAccessTokens();
    await client.fetch('/api/users/me');
    await expect.poll(() => client.state, PATIENCE).toBe('signed-out');
    expect(await nameFrom(client)).toBeUndefined();
    expect(await nameFrom(other)).toBe(second.username);
    await client.logout();
    expect(await nameFrom(other)).toBe(second.username);
    expect(wire.calls.filter((call) => call === 'GET /api/users/me').length).toBeLessThanOrEqual(3);
  });

  it('ends the login when it was revoked, in every tab', async () => {
    await client.login(user);
    const other = tab();
    expect(await nameFrom(other)).toBe(user.username);
    await revokeUser();
    expect((await client.fetch('/api/users/me')).status).toBe(401);
    await expect
      .poll(() => [client.state, other.state, storage.value], PATIENCE)
      .toEqual(['signed-out', 'signed-out', undefined]);
  });

  it('signs in and out in all tabs together', async () => {
    const other = tab();
    await client.login(user);
    await expect.poll(() => other.state, PATIENCE).toBe('signed-in');
    await other.logout();
    await expect.poll(() => client.state, PATIENCE).toBe('signed-out');
  });

  it('is unverified when it starts offline, and signed in when the network is back', async () => {
    await client.login(user);
    wire.onCall = () => {
      throw new TypeError('no network');
    };
    const later = tab();
    await expect(later.fetch('/api/users/me')).rejects.toThrow('no network');
    expect(later.state).toBe('unverified');
    wire.onCall = () => {};
    expect(await nameFrom(later)).toBe(user.username);
    expect(later.state).toBe('signed-in');
  });

  it('tells the caller if a logout did not reach the service, and is signed out all the same', async () => {
    await client.login(user);
    wire.onCall = () => {
      throw new TypeError('no network');
    };
    await expect(client.logout()).rejects.toThrow('no network');
    expect([client.state, storage.value]).toEqual(['signed-out', undefined]);
  });

  it('throws when a redirect leads to another origin, and the token does not arrive there', async () => {
    const received: unknown[] = [];
    const evil = createServer((request, response) => {
      received.push(request.headers.authorization);
      response.end('got it');
    });
    const product = createServer((_request, response) => {
      const { port } = evil.address() as AddressInfo;
      response.writeHead(302, { location: `http://127.0.0.1:${port}/` }).end();
    });
    for (const server of [evil, product])
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    try {
      const origin = `http://127.0.0.1:${(product.address() as AddressInfo).port}`;
      client = tab({ origins: [origin] });
      await client.login(user);
      await expect(client.fetch(`${origin}/orders`)).rejects.toThrow('is not an origin of this client');
      expect(received).toEqual([undefined]);
    } finally {
      for (const server of [evil, product]) await new Promise((done) => server.close(done));
    }
  });
});
