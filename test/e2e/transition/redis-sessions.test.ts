import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RedisSessionsCheck } from '../../../src/transition/sessions/stores/redis/redis-sessions.check.js';
import { SessionUsersCheck } from '../../../src/transition/sessions/stores/session-users.check.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, login, sql, tokensOf, tryRefresh, until, verify } from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';
import { TcpProxy } from '../../helpers/tcp-proxy.js';
import { RedisServer, noRedis } from '../../helpers/transition/redis-server.js';
import { cookieIn, startExpressOnRedis } from './express-app.js';
import {
  SECRET,
  bySession,
  cookieFor,
  sessionCookie,
  sessionLogin,
  sidIn,
  statusOf,
  verifySession,
} from './session-client.js';

describe.skipIf(noRedis !== undefined)('a product on express-session and connect-redis', () => {
  let redis: RedisServer;
  let link: TcpProxy;
  let product: { readonly url: string; close(): Promise<void> };
  let node: TestApp;
  let other: TestApp;
  let user: Account;
  beforeAll(async () => {
    redis = await RedisServer.start('--notify-keyspace-events', 'Egx');
    link = await TcpProxy.to(redis.url);
    product = await startExpressOnRedis(redis.url);
    const env = { SESSION_SECRET: SECRET, SESSION_STORE: 'redis', REDIS_URL: link.url };
    node = await createTestApp({ env });
    other = await createTestApp({ env, db: node.db });
    user = await aUser(node);
  });
  afterAll(async () => {
    await product?.close();
    await other?.close();
    await node?.close();
    await link?.close();
    await redis?.stop();
  });

  const at = (path: string, cookie: string, method = 'GET') =>
    fetch(`${product.url}${path}`, { method, headers: { cookie } });
  const loginThere = async (name = user.id) =>
    cookieIn(await fetch(`${product.url}/login/${name}`, { method: 'POST' }));
  const keyOf = (cookie: string) => `sess:${sidIn(cookie)}`;
  const secondsLeft = (cookie: string) => redis.client.ttl(keyOf(cookie));
  const exchange = async (cookie: string) =>
    tokensOf(await bySession(node, cookie, { method: 'POST', url: '/auth/exchange' }));
  const logout = (cookie: string) => bySession(node, cookie, { method: 'POST', url: '/api/logout' });

  it('has its sessions accepted here, and accepts those that are opened here', async () => {
    const theirs = await loginThere();
    const me = await bySession(node, theirs, { url: '/api/users/me' });
    expect(me.json()).toMatchObject({ id: user.id });
    const ours = await sessionLogin(node, user);
    expect(await (await at('/me', ours)).json()).toEqual({ user: user.id });
    expect(await (await at('/count', ours, 'POST')).json()).toEqual({ views: 1 });
    expect(await (await at('/count', ours, 'POST')).json()).toEqual({ views: 2 });
    expect(await verifySession(other, ours)).toBe('204');
  });

  it('shares logouts with this service in both directions', async () => {
    const theirs = await loginThere();
    expect((await logout(theirs)).statusCode).toBe(204);
    expect((await at('/me', theirs)).status).toBe(401);
    const ours = await sessionLogin(node, user);
    expect((await at('/logout', ours, 'POST')).status).toBe(204);
    expect(await verifySession(node, ours)).toBe('401 session_invalid');
  });

  it('has the linked family revoked by its own logout', async () => {
    const cookie = await loginThere();
    const tokens = await exchange(cookie);
    expect((await at('/logout', cookie, 'POST')).status).toBe(204);
    await until(async () => (await verify(other, tokens.access_token)) === '401 token_revoked', 10_000);
    expect(statusOf(await tryRefresh(node, tokens.refresh_token))).toBe('401 refresh_token_revoked');
  });

  it('keeps an exchanged session as long as its family, although the product shortens it', async () => {
    const cookie = await loginThere();
    await exchange(cookie);
    expect(await secondsLeft(cookie)).toBeGreaterThan(604_000);
    expect((await at('/count', cookie, 'POST')).status).toBe(200);
    await until(async () => (await secondsLeft(cookie)) > 604_000, 10_000);
  });

  it('goes back from tokens to a session that it accepts', async () => {
    const tokens = await exchange(await loginThere());
    const reply = await node.app.inject({
      method: 'POST',
      url: '/auth/downgrade',
      payload: { refresh_token: tokens.refresh_token },
    });
    expect(reply.statusCode).toBe(200);
    expect(await (await at('/me', sessionCookie(reply)!)).json()).toEqual({ user: user.id });
  });

  it('cannot bring back a session that was revoked here', async () => {
    const cookie = await loginThere();
    const before = (await redis.client.get(keyOf(cookie)))!;
    expect((await logout(cookie)).statusCode).toBe(204);
    await redis.client.set(keyOf(cookie), before, { expiration: { type: 'EX', value: 3_600 } });
    for (const each of [node, other]) expect(await verifySession(each, cookie)).toBe('401 session_invalid');
    await expect.poll(() => redis.client.exists(keyOf(cookie))).toBe(0);
  });

  it('loses all sessions of a user who is revoked here, even those that were never used here', async () => {
    const account = await aUser(node);
    const unseen = await Promise.all([loginThere(account.id), loginThere(account.id)]);
    const mine = await sessionLogin(node, account);
    const payload = { current_password: account.password, new_password: 'another long pass phrase' };
    const changed = await bySession(node, mine, { method: 'POST', url: '/auth/password', payload });
    expect(changed.statusCode).toBe(204);
    for (const cookie of unseen) {
      await expect.poll(() => verifySession(other, cookie)).toBe('401 session_invalid');
      expect((await at('/me', cookie)).status).toBe(401);
    }
    expect((await at('/me', mine)).status).toBe(200);
    expect(await verifySession(other, await loginThere(account.id))).toBe('204');
  });

  it('signs in no administrator of Tandem', async () => {
    const [root] = await sql<{ id: string }>(node, `SELECT id FROM users WHERE username = 'root'`);
    expect(await verifySession(node, await loginThere(root!.id))).toBe('401 session_invalid');
    const account = { id: root!.id, username: 'root', password: 'a long enough pass phrase' } as Account;
    expect(await verifySession(node, await sessionLogin(node, account))).toBe('204');
  });

  it('may store anything in Redis', async () => {
    const odd = [
      '7',
      '[]',
      'null',
      '{',
      '',
      '\u0000\u001f\u008b compressed',
      '{"userId":{"id":1}}',
      '{"userId":"a\\u0000b"}',
      '{"userId":"\\ud800"}',
      '{"__proto__":{"userId":"x"}}',
      `{"userId":"${'x'.repeat(300)}"}`,
      '['.repeat(100_000),
      'x'.repeat(1_100_000),
    ];
    for (const value of odd) {
      const sid = randomUUID();
      await redis.client.set(`sess:${sid}`, value);
      expect(await verifySession(node, cookieFor(sid))).toBe('401 session_invalid');
      expect((await logout(cookieFor(sid))).statusCode).toBe(401);
    }
    const hash = randomUUID();
    await redis.client.hSet(`sess:${hash}`, 'userId', user.id);
    expect(await verifySession(node, cookieFor(hash))).toBe('401 session_invalid');
    const elsewhere = randomUUID();
    await redis.client.set(`other:${elsewhere}`, JSON.stringify({ cookie: {}, userId: user.id }));
    expect(await verifySession(node, cookieFor(elsewhere))).toBe('401 session_invalid');
    const unlimited = randomUUID();
    await redis.client.set(`sess:${unlimited}`, JSON.stringify({ cookie: {}, userId: user.id }));
    expect(await verifySession(node, cookieFor(unlimited))).toBe('204');
    expect(await redis.client.ttl(`sess:${unlimited}`)).toBe(-1);
  });

  it('is examined by the doctor', async () => {
    const check = node.app.get(RedisSessionsCheck, { strict: false });
    const findings = async () => (await check.examine()).map(({ level, message }) => `${level}: ${message}`);
    await redis.client.flushDb();
    expect(await findings()).toEqual([
      'ok: the eviction policy is noeviction',
      'warn: no key in Redis begins with SESSION_REDIS_PREFIX (sess:)',
    ]);
    await loginThere();
    const sessions = 'values at SESSION_REDIS_PREFIX (sess:) are sessions of express-session in JSON';
    expect(await findings()).toContain(`ok: 1 of 1 ${sessions}`);
    await redis.client.configSet('maxmemory-policy', 'allkeys-lru');
    await redis.client.set('sess:packed', 'H4sIAAAA');
    try {
      expect(await findings()).toEqual([
        'warn: the eviction policy of Redis is allkeys-lru: an evicted session counts as one that was ended',
        `warn: 1 of 2 ${sessions}`,
      ]);
      link.cut();
      const [failure] = await check.examine();
      expect(failure).toMatchObject({ check: 'redis_sessions', level: 'fail' });
      expect(JSON.stringify(failure)).not.toContain('of-a-test');
    } finally {
      link.heal();
      await redis.client.configSet('maxmemory-policy', 'noeviction');
    }
    await expect.poll(async () => (await check.examine())[0]!.level).toBe('ok');
    const users = node.app.get(SessionUsersCheck, { strict: false });
    expect(await users.examine()).toEqual([
      expect.objectContaining({ message: '1 of the 2 newest live sessions name a user that exists' }),
    ]);
  });

  it('gets 503 while Redis is gone, and a revocation in that time holds', async () => {
    const kept = await loginThere();
    const account = await aUser(node);
    const unseen = await loginThere(account.id);
    const tokens = await exchange(await loginThere());
    const admin = bearer((await login(node)).access_token);
    link.cut();
    const reply = await bySession(node, kept, { url: '/auth/verify' });
    expect(statusOf(reply)).toBe('503 service_unavailable');
    expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0);
    expect(statusOf(await tryRefresh(node, tokens.refresh_token))).toBe('503 service_unavailable');
    expect(await verify(node, tokens.access_token)).toBe('204');
    const url = `/admin/users/${account.id}/revoke`;
    const done = await node.app.inject({ method: 'POST', url, ...admin });
    expect(done.statusCode).toBeLessThan(300);
    link.heal();
    await expect.poll(() => verifySession(node, kept)).toBe('204');
    await expect.poll(() => verifySession(other, unseen)).toBe('401 session_invalid');
    expect((await tryRefresh(node, tokens.refresh_token)).statusCode).toBe(200);
  });

  it('gets 503 while Redis does not answer', async () => {
    const cookie = await loginThere();
    link.blackHole();
    expect(await verifySession(node, cookie)).toBe('503 service_unavailable');
    link.heal();
    await expect.poll(() => verifySession(node, cookie)).toBe('204');
  });

  it('keeps its sessions when a replica is promoted', async () => {
    const cookie = await loginThere();
    const tokens = await exchange(cookie);
    const replica = await redis.replica();
    try {
      link.lead(replica.url);
      link.cut();
      link.heal();
      // A replica may lack what was written last: it is not used.
      await expect.poll(() => verifySession(node, cookie)).toBe('503 service_unavailable');
      await replica.promote();
      await expect.poll(() => verifySession(node, cookie)).toBe('204');
      const refreshed = await tryRefresh(other, tokens.refresh_token);
      expect(refreshed.statusCode).toBe(200);
      expect((await logout(cookie)).statusCode).toBe(204);
      expect(await replica.client.exists(keyOf(cookie))).toBe(0);
    } finally {
      link.lead(redis.url);
      link.cut();
      link.heal();
      await replica.stop();
    }
  });
});
