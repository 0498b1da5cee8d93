import type { OpenAPIObject } from '@nestjs/swagger';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { ROOT, aUser, bearer, login } from '../../helpers/client.js';
import type { Account, Reply } from '../../helpers/client.js';
import { SECRET, sessionLogin } from './session-client.js';

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

interface Call {
  readonly method: Method;
  readonly url: string;
  readonly payload?: object;
}

const NOBODY = '00000000-0000-4000-8000-000000000000';

/** Calls with their bodies where the description alone does not make a good one. */
const CALLS: readonly Call[] = [
  { method: 'GET', url: '/api/users' },
  { method: 'GET', url: '/api/users?limit=1' },
  { method: 'GET', url: '/api/users?limit=0' },
  { method: 'GET', url: '/api/users?cursor=nonsense' },
  { method: 'GET', url: '/api/users/me' },
  { method: 'GET', url: '/api/nowhere' },
  { method: 'GET', url: '/auth/devices' },
  { method: 'DELETE', url: `/auth/devices/${NOBODY}` },
  { method: 'DELETE', url: '/auth/devices/nonsense' },
  { method: 'GET', url: '/auth/verify' },
  { method: 'POST', url: '/auth/verify' },
  { method: 'POST', url: '/auth/password', payload: {} },
  {
    method: 'POST',
    url: '/auth/password',
    payload: { current_password: 'wrong', new_password: 'a long enough one' },
  },
  { method: 'GET', url: '/admin/users?query=nobody' },
  { method: 'POST', url: '/admin/users', payload: { username: 'x', password: 'short' } },
  { method: 'PATCH', url: `/admin/users/${NOBODY}`, payload: { role: 'user' } },
  { method: 'POST', url: '/admin/users/nonsense/revoke' },
  { method: 'GET', url: '/admin/rollout' },
];

/** What an answer says, without what differs from one request to the next by nature. */
function said(reply: Reply): object {
  const { 'x-request-id': id, date, 'set-cookie': cookie, ...headers } = reply.headers;
  delete headers['www-authenticate'];
  for (const name of Object.keys(headers)) {
    if (/^(?:x-auth-scheme|content-length|ratelimit.*)$/.test(name)) delete headers[name];
  }
  expect([id, date].every((value) => value === undefined || typeof value === 'string')).toBe(true);
  expect(cookie).toBeUndefined();
  const body = reply.body === '' ? '' : (JSON.parse(reply.body, withoutId) as object);
  return { status: reply.statusCode, headers, body };
}

function withoutId(key: string, value: unknown): unknown {
  // Which device it is that asks, a session does not share with a token.
  return key === 'request_id' || key === 'current' ? null : value;
}

describe('the same request by session and by token', () => {
  let node: TestApp;
  let user: Account;
  const ways = new Map<string, { session: { cookie: string }; token: { authorization: string } }>();
  beforeAll(async () => {
    node = await createTestApp({ env: { SESSION_SECRET: SECRET } });
    user = await aUser(node);
    for (const [name, account] of [
      ['a user', user],
      ['an administrator', ROOT],
    ] as const) {
      ways.set(name, {
        session: { cookie: await sessionLogin(node, account) },
        token: bearer((await login(node, account)).access_token).headers,
      });
    }
  });
  afterAll(() => node.close());

  const callers = ['a user', 'an administrator'];
  const calls = CALLS.flatMap((call) => callers.map((caller) => ({ caller, ...call })));

  it.each(calls)('gets the same answer for $caller: $method $url', async ({ caller, ...call }) => {
    const { session, token } = ways.get(caller)!;
    const bySession = said(await node.app.inject({ ...call, headers: session }));
    expect(bySession).toEqual(said(await node.app.inject({ ...call, headers: token })));
  });

  it('is accepted with both credentials where the OpenAPI description says so, and nowhere else', async () => {
    const document = (await node.app.inject({ url: '/docs/openapi.json' })).json<OpenAPIObject>();
    const { session, token } = ways.get('a user')!;
    let both = 0;
    for (const [path, item] of Object.entries(document.paths)) {
      for (const method of ['get', 'post', 'put', 'patch', 'delete'] as const) {
        const operation = item[method];
        // What is open to everybody, and what has a proof of its own.
        if (operation?.security?.some((scheme) => 'bearer' in scheme) !== true) continue;
        const open = operation.operationId === 'Auth_logout';
        const url = path.replace(/\{\w+\}/g, NOBODY);
        const call = { method: method.toUpperCase() as Method, url };
        const name = `${call.method} ${path}`;
        if (operation.security.some((scheme) => 'session' in scheme)) {
          both += 1;
          const bySession = await node.app.inject({ ...call, headers: session });
          expect([name, bySession.statusCode]).not.toEqual([name, 401]);
          expect([name, bySession.statusCode]).toEqual([
            name,
            (await node.app.inject({ ...call, headers: token })).statusCode,
          ]);
          const codes = JSON.stringify(operation.responses['401']);
          for (const code of ['token_missing', 'session_invalid', 'sessions_brownout', 'sessions_removed']) {
            expect([name, codes.includes(`"${code}"`)]).toEqual([name, true]);
          }
        } else if (!open) {
          const refused = await node.app.inject({ ...call, headers: session });
          expect([name, refused.json<{ code: string }>().code]).toEqual([name, 'token_missing']);
        }
      }
    }
    expect(both).toBeGreaterThan(12);
  });

  it('is described with its credentials, and only the listed routes are open', async () => {
    const document = (await node.app.inject({ url: '/docs/openapi.json' })).json<OpenAPIObject>();
    expect(document.components?.securitySchemes).toMatchObject({
      bearer: { type: 'http' },
      session: { type: 'apiKey', in: 'cookie', name: 'session_id' },
    });
    const open = Object.entries(document.paths).flatMap(([path, item]) =>
      (['get', 'post', 'put', 'patch', 'delete'] as const).flatMap((method) => {
        const operation = item[method];
        const listed = operation?.tags?.includes('Transition') === true && operation.security === undefined;
        return listed ? [`${method.toUpperCase()} ${path}`] : [];
      }),
    );
    expect(open.sort()).toEqual(OPEN_IN_TRANSITION);
  });
});

/** What the transition opens to strangers, beside the list in test/e2e/operations.test.ts. Whoever adds a line has a reason for it. */
const OPEN_IN_TRANSITION = [
  'GET /auth/migration',
  'GET /transition/banner.js',
  'GET /transition/developers',
  'GET /transition/guide',
  'POST /api/login',
  'POST /auth/downgrade',
];
