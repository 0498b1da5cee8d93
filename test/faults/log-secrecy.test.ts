import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TEST_SECRET } from '../helpers/app.js';
import { until } from '../helpers/client.js';
import { createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { ADMIN, NodeProcess } from '../helpers/node-process.js';
import { call, login, logout, refresh, tryLogin, tryRefresh, verify } from '../helpers/remote-client.js';
import { TcpProxy } from '../helpers/tcp-proxy.js';

const PRODUCTION = { NODE_ENV: 'production', SESSION_SECRET: 'the session secret of the old product' };

/** Stands for whatever a client believes to be secret, wherever it sends it. */
const CANARY = 'canary-4f1c9a7e';

describe.each([
  ['in development', {}],
  ['in production', PRODUCTION],
])('what a node %s writes at LOG_LEVEL=trace', (_where, env: Readonly<Record<string, string>>) => {
  let db: TestDatabase;
  let proxy: TcpProxy;
  let node: NodeProcess;
  beforeAll(async () => {
    db = await createTestDatabase();
    proxy = await TcpProxy.to(db.url);
    node = await NodeProcess.start({
      databaseUrl: proxy.url,
      env: { LOG_LEVEL: 'trace', TRUST_PROXY: '127.0.0.1', ...env },
    });
  });
  afterAll(async () => {
    await node.remove();
    await proxy.close();
    await db.drop();
  });

  it('contains no token, password, cookie or secret after any input and any fault', async () => {
    const first = await login(node);
    const second = await refresh(node, first.refresh_token);
    await verify(node, second.access_token);
    await call(node, 'GET', '/api/users/me', { token: second.access_token });
    for (const secret of [second.refresh_token, second.access_token, CANARY]) {
      await call(node, 'GET', `/api/users/me/${secret}`, { token: second.access_token });
      await call(node, 'GET', `/auth/devices?refresh_token=${secret}`, { token: second.access_token });
      await call(node, 'DELETE', `/auth/devices/${secret}`, { token: second.access_token });
    }
    await makeMistakes(node);
    proxy.cut();
    await until(async () => (await verify(node, second.access_token)).status === 503, 5_000);
    await Promise.all([
      tryLogin(node, { username: 'root', password: `${CANARY} while the database is away` }),
      tryRefresh(node, second.refresh_token),
      logout(node, second.access_token),
    ]);
    proxy.heal();
    await until(async () => (await verify(node, second.access_token)).status === 204, 10_000);
    expect((await logout(node, second.access_token)).status).toBe(204);
    await verify(node, second.access_token);
    expect(await node.end()).toBe(0);

    expect(node.output).toContain('/auth/login');
    const secrets = [first, second].flatMap((tokens) => [
      tokens.access_token,
      signatureOf(tokens.access_token),
      tokens.refresh_token,
      // The end alone would be found by whoever searches for a part.
      tokens.refresh_token.slice(-20),
    ]);
    const url = new URL(db.url);
    for (const secret of [...secrets, ADMIN.password, CANARY, TEST_SECRET, PRODUCTION.SESSION_SECRET]) {
      expect(node.output.includes(secret), `the log holds ${secret}`).toBe(false);
    }
    if (url.password.length > 8) expect(node.output.includes(url.password)).toBe(false);
    expect(node.output).not.toMatch(/PRIVATE KEY|\$argon2/);
  });
});

function signatureOf(accessToken: string): string {
  return accessToken.split('.')[2]!;
}

/** What clients do wrong with their secrets. */
async function makeMistakes(node: NodeProcess): Promise<void> {
  const bodies = [
    `{"username":"root","password":"${CANARY}`,
    `{"username":"root","password":"${CANARY}",}`,
    `{"username":"root","password":["${CANARY}"]}`,
    `{"username":"root","password":"${CANARY}","${CANARY}":1}`,
    `{"username":"${CANARY}\\u0000","password":"${CANARY}\\u0000"}`,
    `{"refresh_token":{"${CANARY}":"${CANARY}"}}`,
    `${CANARY}`,
    `"${CANARY}"`,
  ];
  for (const body of bodies) {
    for (const path of ['/auth/login', '/auth/refresh', '/auth/logout', '/auth/password']) {
      expect((await call(node, 'POST', path, { body })).status).toBeLessThan(500);
    }
  }
  await tryLogin(node, { username: 'root', password: CANARY });
  await tryRefresh(node, CANARY);
  await verify(node, CANARY);
  await call(node, 'GET', `/auth/verify?access_token=${CANARY}&password=${CANARY}`);
  await misplaceSecrets(node);
  const headers = {
    cookie: `refresh_token=${CANARY}; session_id=${CANARY}`,
    authorization: `Basic ${CANARY}`,
  };
  await (await fetch(`${node.url}/auth/refresh`, { method: 'POST', headers })).text();
  await (await fetch(`${node.url}/auth/verify`, { headers })).text();
}

/** Secrets in URLs, in headers that others write, and in forms. */
async function misplaceSecrets(node: NodeProcess): Promise<void> {
  for (const path of [
    '',
    '/auth/login/',
    '/auth/verify/',
    '/admin/users/',
    '/.well-known/',
    '/docs/',
    '/a/b/',
  ]) {
    for (const method of ['GET', 'POST', 'DELETE']) {
      await call(node, method, `${path || '/'}${CANARY}?${CANARY}=${CANARY}`);
      await call(node, method, `${path || '/'}${encodeURIComponent(`${CANARY}/%`)}`);
    }
  }
  const names = [
    'referer',
    'user-agent',
    'origin',
    'x-forwarded-for',
    'x-forwarded-host',
    'x-forwarded-proto',
  ].concat('x-forwarded-uri', 'x-original-url', 'x-real-ip', 'forwarded', 'traceparent', CANARY);
  const headers = Object.fromEntries(names.map((name) => [name, CANARY]));
  const form = { ...headers, 'content-type': 'application/x-www-form-urlencoded' };
  const body = `grant_type=${CANARY}&token=${CANARY}&client_id=${CANARY}&client_secret=${CANARY}&${CANARY}=1`;
  for (const path of ['/oauth/introspect', '/oauth/revoke', '/oauth/token']) {
    await (await fetch(`${node.url}${path}`, { method: 'POST', headers: form, body })).text();
  }
  for (const path of ['/auth/verify', '/nowhere'])
    await (await fetch(`${node.url}${path}`, { headers })).text();
}
