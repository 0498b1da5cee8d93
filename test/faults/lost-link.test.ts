import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LEASE_MS } from '../../src/tokens/feed/lease.js';
import { until } from '../helpers/client.js';
import { createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { NodeProcess } from '../helpers/node-process.js';
import { call, login, logout, refresh, tryLogin, verify } from '../helpers/remote-client.js';
import type { Answer } from '../helpers/remote-client.js';
import { TcpProxy } from '../helpers/tcp-proxy.js';

/** The most that a revocation may take to be known everywhere, in milliseconds. */
const SECOND = 1_000;

describe.each([
  ['swallows everything', (proxy: TcpProxy) => proxy.blackHole()],
  ['is cut', (proxy: TcpProxy) => proxy.cut()],
])('a node whose link to the database %s', (_what, sever) => {
  let db: TestDatabase;
  let proxy: TcpProxy;
  let a: NodeProcess;
  let b: NodeProcess;
  beforeAll(async () => {
    db = await createTestDatabase();
    proxy = await TcpProxy.to(db.url);
    [a, b] = await Promise.all([
      NodeProcess.start({ databaseUrl: db.url }),
      NodeProcess.start({ databaseUrl: proxy.url }),
    ]);
  });
  afterAll(async () => {
    await Promise.all([a.remove(), b.remove()]);
    await proxy.close();
    await db.drop();
  });

  it('accepts no token while it is stale, answers 503 with Retry-After, and recovers within 5 s', async () => {
    const [kept, ended] = [await login(a), await login(a)];
    for (const { access_token } of [kept, ended]) {
      expect((await verify(b, access_token)).status).toBe(204);
    }
    // Connections that lie idle when it happens must not be in the way afterwards.
    await Promise.all(Array.from({ length: 12 }, () => call(b, 'GET', '/health/ready')));
    await Promise.all(Array.from({ length: 12 }, () => refuseLogin(b)));

    sever(proxy);
    expect((await logout(a, ended.access_token)).status).toBe(204);
    const answered = performance.now();
    await until(async () => {
      const asked = performance.now() - answered;
      const { status } = await verify(b, ended.access_token);
      return status !== 204 || asked >= SECOND;
    }, 10_000);
    const late = await Promise.all([1, 2, 3].map(() => verify(b, ended.access_token)));
    expect(performance.now() - answered).toBeGreaterThan(LEASE_MS);
    expect(late.map(({ status }) => status)).toEqual(late.map(() => 503));
    expect(late.every(({ headers }) => Number(headers.get('retry-after')) > 0)).toBe(true);
    expect(await verify(b, kept.access_token)).toMatchObject({ status: 503, code: 'service_unavailable' });
    expect((await tryLogin(b)).status).toBe(503);
    expect((await call(b, 'GET', '/health/ready')).status).toBe(503);
    expect((await call(b, 'GET', '/health/live')).status).toBe(200);

    proxy.heal();
    const took = await until(async () => {
      const [verified, revoked, opened, ready] = await Promise.all([
        verify(b, kept.access_token),
        verify(b, ended.access_token),
        tryLogin(b),
        call(b, 'GET', '/health/ready'),
      ]);
      expect(revoked.status === 503 || revoked.code === 'token_revoked').toBe(true);
      return (
        verified.status === 204 && revoked.status === 401 && opened.status === 200 && ready.status === 200
      );
    }, 10_000);
    expect(took).toBeLessThan(5_000);
    expect(b.alive).toBe(true);
    expect((await refresh(b, kept.refresh_token)).token_type).toBe('Bearer');
  });

  it('stops gracefully and in time although the connections are dead', async () => {
    sever(proxy);
    const began = performance.now();
    expect(await b.end()).toBeTypeOf('number');
    expect(performance.now() - began).toBeLessThan(18_000);
  });
});

function refuseLogin(node: NodeProcess): Promise<Answer> {
  return tryLogin(node, { username: 'nobody', password: 'wrong' });
}
