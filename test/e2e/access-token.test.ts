import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, SignJWT, UnsecuredJWT } from 'jose';
import type { JWTPayload } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeyRingService } from '../../src/tokens/keys/key-ring.service.js';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { codeOf, get, login, verify } from '../helpers/client.js';

const NIL = '00000000-0000-0000-0000-000000000000';

describe('an access token', () => {
  let node: TestApp;
  let token: string;
  let claims: JWTPayload;
  let kid: string;
  beforeAll(async () => {
    node = await createTestApp();
    token = (await login(node)).access_token;
    claims = decodeJwt(token);
    kid = decodeProtectedHeader(token).kid!;
  });
  afterAll(() => node.close());

  /** Signed with the service's own key: only the claims are not what it mints. */
  function signed(payload: object): Promise<string> {
    return node.app.get(KeyRingService).sign(payload, Date.now());
  }

  it('opens the API and identifies the caller to a proxy', async () => {
    const reply = await get(node, '/auth/verify', token);
    expect([reply.statusCode, reply.body]).toEqual([204, '']);
    expect(reply.headers).toMatchObject({
      'x-auth-user-id': claims.sub,
      'x-auth-role': 'admin',
      'x-auth-scheme': 'bearer',
      'cache-control': 'no-store',
    });
  });

  it('is required, with a challenge without an error code, if the request has none', async () => {
    for (const authorization of [undefined, 'Basic cm9vdDpyb290', token]) {
      const headers = authorization === undefined ? {} : { authorization };
      const reply = await node.app.inject({ url: '/api/users', headers });
      expect([reply.statusCode, codeOf(reply)]).toEqual([401, 'token_missing']);
      expect(reply.headers['www-authenticate']).toBe('Bearer realm="tandem"');
    }
  });

  it('is read from the Authorization header only', async () => {
    const reply = await node.app.inject({
      url: `/api/users/me?access_token=${token}`,
      cookies: { access_token: token },
      headers: { 'x-access-token': token },
    });
    expect([reply.statusCode, codeOf(reply)]).toEqual([401, 'token_missing']);
  });

  it('is refused with a challenge that names the error, in a problem with a request id', async () => {
    const reply = await node.app.inject({
      url: '/api/users',
      headers: { authorization: 'Bearer invalid_token', 'x-request-id': 'abc-1' },
    });
    expect(reply.statusCode).toBe(401);
    expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(reply.headers['x-request-id']).toBe('abc-1');
    expect(reply.headers['www-authenticate']).toMatch(
      /^Bearer realm="[^"]+", error="invalid_token", error_description="[^"]+"$/,
    );
    expect(reply.json()).toEqual({
      type: expect.stringMatching(/^\w+:/),
      title: expect.any(String),
      status: 401,
      detail: expect.any(String),
      code: 'token_malformed',
      request_id: 'abc-1',
    });
  });

  it('is malformed if it is not a compact JWS in canonical form', async () => {
    const [header, payload, signature] = token.split('.') as [string, string, string];
    const malformed = [
      'x',
      'a.b',
      'a.b.c',
      `${token}.x`,
      `${token}=`,
      `${header}.${payload}.`,
      `${header}..${signature}`,
      `${Buffer.from('[]').toString('base64url')}.${payload}.${signature}`,
      'x'.repeat(5000),
    ];
    for (const wrong of malformed) {
      expect([wrong, await verify(node, wrong)]).toEqual([wrong, '401 token_malformed']);
    }
    const empty = await node.app.inject({ url: '/auth/verify', headers: { authorization: 'Bearer' } });
    expect(codeOf(empty)).toBe('token_malformed');
  });

  it('is invalid if key, algorithm or type are not ours', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const hmac = publicKey.export({ type: 'spki', format: 'der' });
    const by = (header: object) => new SignJWT(claims).setProtectedHeader({ alg: 'RS256', ...header });
    const forged = [
      await by({ typ: 'at+jwt', kid }).sign(privateKey),
      await by({ typ: 'at+jwt', kid: 'unknown' }).sign(privateKey),
      await by({ typ: 'JWT', kid }).sign(privateKey),
      await by({ typ: 'at+jwt' }).sign(privateKey),
      await by({ alg: 'PS256', typ: 'at+jwt', kid }).sign(privateKey),
      await by({ alg: 'HS256', typ: 'at+jwt', kid }).sign(hmac),
      await by({ typ: 'at+jwt', kid, jku: 'http://evil.example/' }).sign(privateKey),
      token.replace(/\.[^.]*$/, `.${'A'.repeat(342)}`),
    ];
    for (const wrong of forged)
      expect([wrong, await verify(node, wrong)]).toEqual([wrong, '401 token_invalid']);
    expect(await verify(node, new UnsecuredJWT(claims).encode())).toBe('401 token_malformed');
  });

  it.each<[string, object]>([
    ['another issuer', { iss: 'http://evil.example' }],
    ['another audience', { aud: 'other' }],
    ['a list of audiences', { aud: ['api'] }],
    ['no expiry', { exp: undefined }],
    ['an expiry that is no number', { exp: 'never' }],
    ['one claim more', { admin: true }],
    ['one claim less', { role: undefined }],
    ['a text that is no role', { role: 'Root User' }],
    ['a nil subject', { sub: NIL }],
    ['a nil login', { sid: NIL }],
    ['a nil id', { jti: NIL }],
    ['a subject that is no UUID', { sub: 'root' }],
    ['an id of another version', { jti: randomUUID() }],
  ])('is invalid with %s, even if our key signed it', async (_, change) => {
    expect(await verify(node, await signed({ ...claims, ...change }))).toBe('401 token_invalid');
  });

  it('is accepted until it expires, plus the clock tolerance, and is then refused as expired', async () => {
    const now = Math.floor(Date.now() / 1000);
    expect(await verify(node, await signed({ ...claims, iat: now - 900, exp: now - 2 }))).toBe('204');
    expect(await verify(node, await signed({ ...claims, iat: now - 900, exp: now - 8 }))).toBe(
      '401 token_expired',
    );
  });

  it('is accepted with every spelling of the scheme', async () => {
    for (const authorization of [`bearer ${token}`, `BEARER  ${token}`]) {
      const reply = await node.app.inject({ url: '/auth/verify', headers: { authorization } });
      expect(reply.statusCode).toBe(204);
    }
  });

  it('is required for every spelling of a closed route', async () => {
    for (const url of [
      '/api/users/',
      '/api//users',
      '/API/users',
      '//api/users',
      '/api/users?x=1',
      '/api/%75sers',
    ]) {
      for (const method of ['GET', 'HEAD'] as const) {
        const { statusCode } = await node.app.inject({ method, url });
        expect([url, [401, 404].includes(statusCode)]).toEqual([url, true]);
      }
    }
  });
});
