import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, bearer, codeOf, login, post, refreshCookie, verify } from '../helpers/client.js';
import type { Reply } from '../helpers/client.js';

const LISTED = 'https://app.example.com';

interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  /** It takes an access token. */
  readonly closed: boolean;
}

let node: TestApp;
let operations: readonly Operation[];
beforeAll(async () => {
  node = await createTestApp({ env: { CORS_ORIGINS: LISTED } });
  operations = await describedBy(node);
});
afterAll(() => node.close());

/** Every operation of the description, with an id that nobody has. */
async function describedBy({ app }: TestApp): Promise<Operation[]> {
  const { paths } = (await app.inject({ url: '/docs/openapi.json' })).json<{
    paths: Record<string, Record<string, { security?: object[] }>>;
  }>();
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { security = [] }]) => ({
      method: method.toUpperCase() as Operation['method'],
      url: path.replace(/\{\w+\}/g, '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10'),
      closed: security.some((scheme) => 'bearer' in scheme),
    })),
  );
}

describe('every 401 and 403', () => {
  const tell = (reply: Reply) => [reply.statusCode, reply.headers['x-auth-error']];

  it('carries its code in X-Auth-Error, on every route and for every kind of refusal', async () => {
    const user = await login(node, await aUser(node));
    const refused: string[] = [];
    for (const { method, url } of operations) {
      const credentials = [{}, { authorization: 'Bearer x' }];
      if (!url.startsWith('/auth/logout')) credentials.push(bearer(user.access_token).headers);
      for (const headers of credentials) {
        const reply = await node.app.inject({ method, url, headers });
        if (reply.statusCode === 401 || reply.statusCode === 403) {
          expect([url, ...tell(reply)]).toEqual([url, reply.statusCode, codeOf(reply)]);
          refused.push(codeOf(reply)!);
        } else expect([url, ...tell(reply)]).toEqual([url, reply.statusCode, undefined]);
      }
    }
    expect(refused).toEqual(
      expect.arrayContaining([
        'token_missing',
        'token_malformed',
        'forbidden',
        'refresh_token_invalid',
        'invalid_client',
      ]),
    );
  });

  it('carries it when a cookie comes from another site, and when a password is wrong', async () => {
    const crossSite = await post(node, '/auth/refresh', undefined, {
      cookies: { refresh_token: 'x' },
      headers: { 'sec-fetch-site': 'cross-site' },
    });
    expect(tell(crossSite)).toEqual([403, 'cross_site_request']);
    const wrong = await post(node, '/auth/login', { username: 'nobody', password: 'x' });
    expect(tell(wrong)).toEqual([401, 'invalid_credentials']);
  });

  it('shows it to scripts of listed origins', async () => {
    const reply = await node.app.inject({ url: '/api/users/me', headers: { origin: LISTED } });
    expect(reply.headers['access-control-expose-headers']).toMatch(/(^|, )X-Auth-Error(,|$)/);
    const preflight = await node.app.inject({
      method: 'OPTIONS',
      url: '/api/users/me',
      headers: {
        origin: LISTED,
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'authorization,content-type',
      },
    });
    expect(preflight.statusCode).toBe(204);
    expect(preflight.headers['access-control-allow-headers']).toBe('authorization,content-type');
  });
});

describe('an answer to an authenticated request', () => {
  it('is not stored by caches on any route', async () => {
    const admin = bearer((await login(node)).access_token);
    // After a logout every answer would be a refusal, which has the header for another reason.
    const closed = operations.filter(({ closed, url }) => closed && !url.startsWith('/auth/logout'));
    expect(closed.length).toBeGreaterThan(10);
    for (const { method, url } of closed) {
      const reply = await node.app.inject({ method, url, ...admin });
      expect([method, url, reply.statusCode]).not.toEqual([method, url, 401]);
      expect([method, url, reply.headers['cache-control']]).toEqual([method, url, 'no-store']);
    }
  });

  it('is not stored by caches at logout', async () => {
    const { access_token } = await login(node, await aUser(node));
    const reply = await post(node, '/auth/logout', undefined, bearer(access_token));
    expect([reply.statusCode, reply.headers['cache-control']]).toEqual([204, 'no-store']);
  });

  it('lets caches store public documents', async () => {
    const keys = await node.app.inject({ url: '/.well-known/jwks.json' });
    expect(keys.headers['cache-control']).toMatch(/^public, max-age=/);
  });
});

describe('a client that sends Content-Type: application/json with every call', () => {
  const JSON_TYPE = { 'content-type': 'application/json' };

  it('refreshes by cookie and logs out', async () => {
    const user = await aUser(node);
    const first = await post(node, '/auth/login', {
      username: user.username,
      password: user.password,
      token_delivery: 'cookie',
    });
    const cookies = { refresh_token: refreshCookie(first)!.value };
    const refreshed = await post(node, '/auth/refresh', undefined, { cookies, headers: JSON_TYPE });
    expect(refreshed.statusCode).toBe(200);
    const { access_token } = refreshed.json<{ access_token: string }>();
    const headers = { ...JSON_TYPE, ...bearer(access_token).headers };
    expect((await post(node, '/auth/logout', undefined, { headers })).statusCode).toBe(204);
    expect(await verify(node, access_token)).toBe('401 token_revoked');
  });

  it('deletes, rotates and revokes', async () => {
    const { access_token } = await login(node);
    const headers = { ...JSON_TYPE, ...bearer(access_token).headers };
    const user = await aUser(node);
    await login(node, user);
    const device = await node.app.inject({
      method: 'DELETE',
      url: '/auth/devices/5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10',
      headers,
    });
    expect(codeOf(device)).toBe('device_not_found');
    expect((await post(node, '/admin/keys/rotate', undefined, { headers })).statusCode).toBe(200);
    const revoked = await post(node, `/admin/users/${user.id}/revoke`, undefined, { headers });
    expect(revoked.json()).toEqual({ revoked: 1 });
  });
});
