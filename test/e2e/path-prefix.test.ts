import type { OpenAPIObject } from '@nestjs/swagger';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { bearer, get, login, post, refreshCookie, tokensOf } from '../helpers/client.js';

const ISSUER = 'https://example.com/tenant/auth-service';
const WELL_KNOWN = '/.well-known/oauth-authorization-server';

describe('a service behind a path prefix', () => {
  let node: TestApp;
  let plain: TestApp;
  beforeAll(async () => {
    node = await createTestApp({ env: { JWT_ISSUER: `${ISSUER}/` } });
    plain = await createTestApp();
  });
  afterAll(async () => {
    await node.close();
    await plain.close();
  });

  const documentOf = async (at: TestApp) => (await get(at, '/docs/openapi.json')).json<OpenAPIObject>();

  it('sets and clears the refresh cookie below the prefix', async () => {
    const expected = { path: '/tenant/auth-service/auth', httpOnly: true, secure: true, sameSite: 'Strict' };
    const username = 'root';
    const password = 'a long enough pass phrase';
    const first = await post(node, '/auth/login', { username, password });
    expect(refreshCookie(first)).toMatchObject(expected);
    const next = await post(node, '/auth/refresh', undefined, {
      cookies: { refresh_token: refreshCookie(first)!.value },
    });
    expect(next.statusCode).toBe(200);
    expect(refreshCookie(next)).toMatchObject(expected);
    const out = await post(node, '/auth/logout', { refresh_token: tokensOf(first).refresh_token });
    expect(out.statusCode).toBe(204);
    expect(refreshCookie(out)).toMatchObject({ ...expected, value: '' });
    const { access_token } = await login(node);
    const everywhere = await post(node, '/auth/logout-all', undefined, bearer(access_token));
    expect(refreshCookie(everywhere)).toMatchObject({ ...expected, value: '' });
  });

  it('names the prefix as the server in OpenAPI, and the routes as they are', async () => {
    const document = await documentOf(node);
    expect(document.servers).toEqual([{ url: '/tenant/auth-service' }]);
    expect(Object.keys(document.paths)).toEqual(Object.keys((await documentOf(plain)).paths));
    expect((await documentOf(plain)).servers).toEqual([]);
  });

  it('serves its metadata with the path of the issuer appended, and with no other', async () => {
    const reply = await get(node, `${WELL_KNOWN}/tenant/auth-service`);
    expect(reply.statusCode).toBe(200);
    expect(reply.headers['cache-control']).toMatch(/^public, max-age=\d+$/);
    expect(reply.json()).toEqual((await get(node, WELL_KNOWN)).json());
    expect(reply.json()).toMatchObject({
      issuer: `${ISSUER}/`,
      jwks_uri: `${ISSUER}/.well-known/jwks.json`,
      token_endpoint: `${ISSUER}/oauth/token`,
    });
    expect((await get(node, `${WELL_KNOWN}/tenant/auth-service?a=b`)).statusCode).toBe(200);
    for (const path of [
      '/',
      '/tenant',
      '/tenant/auth-service/',
      '/tenant/auth-service/x',
      '/TENANT/auth-service',
      '/tenant%2Fauth-service',
    ])
      expect([path, (await get(node, WELL_KNOWN + path)).statusCode]).toEqual([path, 404]);
  });

  it('serves its metadata at one place if the issuer has no path', async () => {
    for (const path of ['/', '/tenant', '//']) {
      const reply = await get(plain, WELL_KNOWN + path);
      expect([path, reply.statusCode]).toEqual([path, 404]);
      expect(reply.json()).toMatchObject({ code: 'not_found' });
    }
    expect((await get(plain, WELL_KNOWN)).statusCode).toBe(200);
  });
});
