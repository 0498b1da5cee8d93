import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, post, tokensOf, tryRefresh, verify } from '../../helpers/client.js';
import { RedisServer, noRedis } from '../../helpers/transition/redis-server.js';
import { SECRET, bySession, cookieFor, statusOf, verifySession } from './session-client.js';

const HOUR = { type: 'EX', value: 3_600 } as const;

describe.skipIf(noRedis !== undefined)('sessions in a Redis in trouble', () => {
  let redis: RedisServer;
  let node: TestApp;
  beforeAll(async () => {
    redis = await RedisServer.start();
    const env = { SESSION_SECRET: SECRET, SESSION_STORE: 'redis', REDIS_URL: redis.url };
    node = await createTestApp({ env });
  });
  afterAll(async () => {
    await node?.close();
    await redis?.stop();
  });
  afterEach(async () => {
    await redis.client.configSet('maxmemory', '0');
    await redis.client.configSet('maxmemory-policy', 'noeviction');
  });

  /** Everything that Redis has counts as too much. */
  async function fill(policy: string): Promise<void> {
    await redis.client.configSet('maxmemory-policy', policy);
    await redis.client.configSet('maxmemory', '1');
  }

  /** A user with a session that the product began. */
  async function aLogin() {
    const account = await aUser(node);
    const sid = randomBytes(12).toString('hex');
    const session = { cookie: { originalMaxAge: 3_600_000, path: '/' }, userId: account.id };
    await redis.client.set(`sess:${sid}`, JSON.stringify(session), { expiration: HOUR });
    return { ...account, sid, cookie: cookieFor(sid) };
  }

  const exchange = async (cookie: string) =>
    tokensOf(await bySession(node, cookie, { method: 'POST', url: '/auth/exchange' }));

  it('are refused after an eviction, like sessions that the product ended, and so is their family', async () => {
    const [linked, other] = [await aLogin(), await aLogin()];
    const tokens = await exchange(linked.cookie);
    expect(await verifySession(node, other.cookie)).toBe('204');
    await fill('allkeys-random');
    // Redis evicts before a command that needs memory, and refuses that when nothing is left to evict.
    await redis.client.set('more', 'x').catch(() => undefined);
    await expect.poll(() => redis.client.dbSize()).toBe(0);
    for (const { cookie } of [linked, other])
      expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    expect(statusOf(await tryRefresh(node, tokens.refresh_token))).toBe('401 refresh_token_revoked');
  });

  it('are served while Redis is full, and new ones get 503', async () => {
    const { cookie, username, password } = await aLogin();
    const back = await aLogin();
    const { access_token, refresh_token } = await exchange(back.cookie);
    await fill('noeviction');
    expect(await verifySession(node, cookie)).toBe('204');
    expect(statusOf(await post(node, '/api/login', { username, password }))).toBe('503 service_unavailable');
    expect(statusOf(await post(node, '/auth/downgrade', { refresh_token }))).toBe('503 service_unavailable');
    expect(await verify(node, access_token)).toBe('204');
    expect((await bySession(node, cookie, { method: 'POST', url: '/api/logout' })).statusCode).toBe(204);
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    await redis.client.configSet('maxmemory', '0');
    expect((await post(node, '/auth/downgrade', { refresh_token })).statusCode).toBe(200);
  });

  it('are served late by a slow Redis, and with 503 by one that takes longer than a second', async () => {
    const { cookie } = await aLogin();
    await redis.client.sendCommand(['CLIENT', 'PAUSE', '100', 'ALL']);
    expect(await verifySession(node, cookie)).toBe('204');
    redis.pause();
    try {
      expect(await verifySession(node, cookie)).toBe('503 service_unavailable');
    } finally {
      redis.resume();
    }
    await expect.poll(() => verifySession(node, cookie)).toBe('204');
  });

  it('name nobody if they are compressed, encrypted or of another serializer', async () => {
    const { id } = await aUser(node);
    const json = JSON.stringify({ cookie: { path: '/' }, userId: id });
    const values = {
      gzip: gzipSync(json),
      encrypted: randomBytes(200),
      base64: Buffer.from(json).toString('base64'),
      php: `userId|s:36:"${id}";`,
      pickle: Buffer.from(`8004950a000000000000007d94285c${Buffer.from(id).toString('hex')}`, 'hex'),
      messagePack: Buffer.concat([Buffer.from([0x81, 0xa6]), Buffer.from(`userId\xd9$${id}`, 'latin1')]),
      twice: JSON.stringify(json),
    };
    for (const [name, value] of Object.entries(values)) {
      const sid = `of-${name}`;
      await redis.client.set(`sess:${sid}`, value, { expiration: HOUR });
      expect([name, await verifySession(node, cookieFor(sid))]).toEqual([name, '401 session_invalid']);
    }
  });
});
