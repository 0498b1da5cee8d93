import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, login, sql } from '../../helpers/client.js';
import type { Account, Reply } from '../../helpers/client.js';
import { SECRET, bySession, sessionLogin, sidIn, statusOf } from './session-client.js';

const LISTED = 'https://app.example.com';

/** P30: a forward-auth request that does not name its method is judged as one that changes state. */
describe('forward-auth for a request by session', () => {
  let node: TestApp;
  let user: Account;
  let cookie: string;
  beforeAll(async () => {
    node = await createTestApp({ env: { SESSION_SECRET: SECRET, CORS_ORIGINS: LISTED } });
    user = await aUser(node);
  });
  beforeEach(async () => {
    cookie = await sessionLogin(node, user);
  });
  afterAll(() => node.close());

  const ask = (
    headers: Record<string, string>,
    url = '/auth/verify',
    method: 'GET' | 'POST' = 'GET',
  ): Promise<Reply> => bySession(node, cookie, { url, method, headers });

  const PAGES: readonly Record<string, string>[] = [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'https://evil.example' },
    { origin: 'null' },
  ];

  it.each(PAGES)('is refused if another site sends it and it may change state: %o', async (page) => {
    const unsafe: Record<string, string>[] = [
      {},
      { 'x-forwarded-method': '' },
      { 'x-forwarded-method': 'POST' },
      { 'x-original-method': 'DELETE' },
      { 'x-original-method': 'get' },
      { 'x-original-method': 'UNKNOWN' },
      { 'x-forwarded-method': 'GET, POST' },
      { 'x-forwarded-method': 'GET', 'x-original-method': 'POST' },
      { 'x-forwarded-method': 'POST', 'x-original-method': 'GET' },
      { 'x-forwarded-method': 'GET', 'x-http-method-override': 'DELETE' },
      { 'x-forwarded-method': 'GET', upgrade: 'websocket' },
      { 'x-forwarded-method': 'GET', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' },
    ];
    for (const headers of unsafe) {
      const reply = await ask({ ...page, ...headers });
      expect([headers, statusOf(reply)]).toEqual([headers, '403 cross_site_request']);
      expect(reply.headers['x-auth-error']).toBe('cross_site_request');
    }
  });

  it.each(PAGES)('accepts a request that only reads, for any page: %o', async (page) => {
    for (const name of ['x-forwarded-method', 'x-original-method']) {
      for (const method of ['GET', 'HEAD', 'OPTIONS']) {
        const reply = await bySession(node, cookie, {
          url: '/auth/verify',
          headers: { ...page, [name]: method },
          remoteAddress: '203.0.113.7',
        });
        expect(reply.statusCode).toBe(204);
      }
    }
  });

  it.each<Record<string, string>>([
    {},
    { 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'none' },
    { origin: LISTED, 'sec-fetch-site': 'cross-site' },
  ])('accepts a request that comes from no other site: %o', async (page) => {
    const unsafe: Record<string, string>[] = [{}, { 'x-forwarded-method': 'POST' }, { upgrade: 'websocket' }];
    for (const headers of unsafe) {
      expect((await ask({ ...page, ...headers })).statusCode).toBe(204);
    }
    expect((await ask(page, '/auth/verify/a', 'POST')).statusCode).toBe(200);
  });

  it('uses the method of the proxy’s own request if the proxy keeps it', async () => {
    const evil = { 'sec-fetch-site': 'cross-site' };
    const statuses: Record<string, number> = {};
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE'] as const) {
      const reply = await node.app.inject({
        method: method as 'GET',
        url: '/auth/verify/api/items',
        headers: { cookie, ...evil },
      });
      statuses[method] = reply.statusCode;
    }
    expect(statuses).toEqual({
      GET: 200,
      HEAD: 200,
      OPTIONS: 200,
      POST: 403,
      PUT: 403,
      PATCH: 403,
      DELETE: 403,
      TRACE: 403,
    });
    const unsafe: Record<string, string>[] = [
      { 'x-http-method-override': 'DELETE' },
      { upgrade: 'websocket' },
      { 'sec-websocket-key': 'x' },
      { 'x-forwarded-method': 'POST' },
    ];
    for (const headers of unsafe) {
      expect(statusOf(await ask({ ...evil, ...headers }, '/auth/verify/a'))).toBe('403 cross_site_request');
    }
    expect(statusOf(await ask({ ...evil, 'x-forwarded-method': 'GET' }, '/auth/verify/a', 'POST'))).toBe(
      '403 cross_site_request',
    );
  });

  it('ignores the origin of a request by token', async () => {
    const { access_token } = await login(node, user);
    const headers = { ...bearer(access_token).headers, 'sec-fetch-site': 'cross-site' };
    expect((await ask(headers)).statusCode).toBe(204);
    expect((await ask(headers, '/auth/verify/a', 'POST')).statusCode).toBe(200);
  });

  it('ignores the forwarded method on other routes', async () => {
    const headers = { 'x-forwarded-method': 'POST', 'sec-fetch-site': 'cross-site' };
    expect((await ask(headers, '/api/users/me')).statusCode).toBe(200);
  });

  it('returns all four facts about the user of a session, and extends the session', async () => {
    const account = await aUser(node);
    cookie = await sessionLogin(node, account);
    const told = ({ headers }: Reply) =>
      ['user-id', 'external-id', 'role', 'scheme'].map((name) => headers[`x-auth-${name}`]);
    expect(told(await ask({}))).toEqual([account.id, '-', 'user', 'session']);
    await sql(node, `UPDATE users SET external_id = 'crm:7' WHERE id = $1`, [account.id]);
    expect(told(await ask({}))).toEqual([account.id, 'crm:7', 'user', 'session']);
    await sql(node, `UPDATE session SET expire = now() + interval '10 minutes' WHERE sid = $1`, [
      sidIn(cookie),
    ]);
    const reply = await ask({}, '/auth/verify/a', 'POST');
    expect(told(reply)).toEqual([account.id, 'crm:7', 'user', 'session']);
    expect(reply.cookies).toHaveLength(1);
  });
});
