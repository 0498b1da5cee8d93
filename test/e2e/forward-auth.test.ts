import { METHODS } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, login, sql } from '../helpers/client.js';
import type { Account } from '../helpers/client.js';
import { exchange, request } from '../helpers/http.js';
import type { RawResponse } from '../helpers/http.js';

const LISTED = 'https://app.example.com';

let node: TestApp;
let user: Account;
let port: number;
let authorization: { Authorization: string };
beforeAll(async () => {
  node = await createTestApp({ listen: true, env: { CORS_ORIGINS: LISTED } });
  port = Number(new URL(node.url).port);
  user = await aUser(node);
  authorization = await authorizationOf(user);
});
afterAll(() => node.close());

async function authorizationOf(account: Account): Promise<{ Authorization: string }> {
  return { Authorization: `Bearer ${(await login(node, account)).access_token}` };
}

async function ask(
  target: string,
  method = 'GET',
  headers: Record<string, string> = authorization,
  body?: string | Buffer,
): Promise<RawResponse> {
  const given = body === undefined ? { headers } : { headers, body };
  const [response] = await exchange(port, request(method, target, given));
  return response!;
}

describe('who is calling', () => {
  const told = ({ headers }: { headers: Record<string, unknown> }) =>
    ['user-id', 'external-id', 'role', 'scheme'].map((name) => headers[`x-auth-${name}`]);

  it('is named in all four headers, which replace those of the client', async () => {
    const claimed = {
      'X-Auth-User-Id': 'x',
      'X-Auth-External-Id': 'x',
      'X-Auth-Role': 'admin',
      'X-Auth-Scheme': 'x',
    };
    for (const target of ['/auth/verify', '/auth/verify/', '/auth/verify/api/items']) {
      const response = await ask(target, 'GET', { ...authorization, ...claimed });
      expect(told(response)).toEqual([user.id, '-', 'user', 'bearer']);
      expect(response.headers['cache-control']).toBe('no-store');
    }
  });

  it.each([
    ['auth0|42:a_b@c+d=e~f', 'auth0|42:a_b@c+d=e~f'],
    ['-', '%2D'],
    ['a b', 'a%20b'],
    ['張', '%E5%BC%B5'],
    ['a%2Db', 'a%252Db'],
  ])('is told by the external id too: %s', async (externalId, header) => {
    const account = await aUser(node);
    await sql(node, `UPDATE users SET external_id = $2 WHERE id = $1`, [account.id, externalId]);
    const headers = await authorizationOf(account);
    for (let round = 0; round < 2; round++) {
      expect(told(await ask('/auth/verify', 'GET', headers))).toEqual([account.id, header, 'user', 'bearer']);
    }
    expect(told(await ask('/auth/verify/x', 'GET', headers))).toEqual([account.id, header, 'user', 'bearer']);
  });
});

describe('a request below /auth/verify', () => {
  it.each(METHODS.filter((method) => method !== 'CONNECT'))(
    'is answered by 200 and no body: %s',
    async (method) => {
      const response = await ask('/auth/verify/api/items/1?q=1', method);
      expect([response.status, response.body]).toEqual([200, '']);
      if (method !== 'HEAD') expect(response.headers['content-length']).toBe('0');
      expect(response.headers['x-auth-user-id']).toBe(user.id);
      const anonymous = await ask('/auth/verify/api/items/1', method, {});
      expect([anonymous.status, anonymous.headers['x-auth-error']]).toEqual([401, 'token_missing']);
    },
  );

  it.each([
    '/auth/verify/',
    '/auth/verify/%ff',
    '/auth/verify/%',
    '/auth/verify/%00',
    '/auth/verify/..x',
    `/auth/verify/${'x'.repeat(8_000)}`,
    '/auth/verify/login',
    '/auth/verify/a?b=//c/../d\\e',
    '/auth/verify/*',
    'http://other.example/auth/verify/a',
  ])('is not decoded or routed: %s', async (target) => {
    expect((await ask(target)).status).toBe(200);
  });

  it.each([
    '/auth/verify/../login',
    '/auth/verify/a/..',
    '/auth/verify/./a',
    '/auth/verify/%2e%2E/a',
    '/auth/verify/.%2e',
    '/auth/verify/a\\b',
    '/auth/verify//',
    '/auth/verify//a',
    '/auth/verify/a//b',
    'http://other.example/auth/verify/../login',
  ])('is refused by 403 if servers disagree about its path: %s', async (target) => {
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      const response = await ask(target, method);
      expect([response.status, response.headers['x-auth-error']]).toEqual([403, 'forbidden']);
      expect((await ask(target, method, {})).status).toBe(401);
    }
  });

  it.each(['/auth/verif%79/a', '/auth/verif%79/%2e%2e/a', '/auth%2fverify/a', '/%61uth/verify/..%2fa'])(
    'does not exist under another spelling: %s',
    async (target) => {
      expect((await ask(target)).status).toBe(404);
    },
  );

  it.each<readonly [string, string, string | Buffer]>([
    ['JSON', 'application/json', '{"a":1}'],
    ['broken JSON', 'application/json', '{"a":'],
    ['a form', 'application/x-www-form-urlencoded', 'a=1'],
    ['text', 'text/plain', 'a'],
    ['gzip', 'application/octet-stream', gzipSync('a')],
    ['no type', '', 'a'],
    ['more than any other route takes', 'application/json', 'x'.repeat(300_000)],
  ])('is answered whatever its body is: %s', async (_, type, body) => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'GET', 'PROPFIND', 'QUERY']) {
      const response = await ask(
        '/auth/verify/upload',
        method,
        { ...authorization, 'Content-Type': type },
        body,
      );
      expect([method, response.status]).toEqual([method, 200]);
    }
  });

  it('leaves the connection usable for the next request after any unread body', async () => {
    const first = request('POST', '/auth/verify/a', {
      headers: authorization,
      body: 'GET /evil HTTP/1.1\r\n\r\n',
    });
    const responses = await exchange(port, [first, request('GET', '/health/live')], { enough: 2 });
    expect(responses.map(({ status }) => status)).toEqual([200, 200]);
    const chunked =
      `POST /auth/verify/a HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization.Authorization}\r\n` +
      'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n';
    const after = await exchange(port, [chunked, request('GET', '/health/live')], { enough: 2 });
    expect(after.map(({ status }) => status)).toEqual([200, 200]);
  });

  it('is answered like any other request if it asks for a protocol upgrade', async () => {
    const headers = {
      ...authorization,
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Key': 'x',
    };
    expect((await ask('/auth/verify/socket', 'GET', headers)).status).toBe(200);
  });

  it('is verified without added CORS headers if it is a preflight', async () => {
    const preflight = { Origin: LISTED, 'Access-Control-Request-Method': 'PUT' };
    const anonymous = await ask('/auth/verify/a', 'OPTIONS', preflight);
    expect([anonymous.status, anonymous.headers['access-control-allow-origin']]).toEqual([401, undefined]);
    const known = await ask('/auth/verify/a', 'OPTIONS', { ...preflight, ...authorization });
    expect([known.status, known.headers['access-control-allow-origin']]).toEqual([200, undefined]);
  });
});
