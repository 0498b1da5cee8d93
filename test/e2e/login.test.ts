import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import type { JSONWebKeySet } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import {
  aUser,
  codeOf,
  get,
  login,
  post,
  refreshCookie,
  sql,
  tokensOf,
  tryLogin,
} from '../helpers/client.js';
import type { Account } from '../helpers/client.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('POST /auth/login', () => {
  let node: TestApp;
  let user: Account;
  beforeAll(async () => {
    node = await createTestApp();
    user = await aUser(node);
  });
  afterAll(() => node.close());

  it('answers with the four fields of a token response, which no cache may store', async () => {
    const reply = await tryLogin(node, user);
    expect(reply.statusCode).toBe(200);
    expect(reply.headers['cache-control']).toBe('no-store');
    expect(reply.headers['content-type']).toMatch(/^application\/json/);
    expect(reply.json()).toEqual({
      access_token: expect.any(String),
      refresh_token: expect.stringMatching(/^tandem_rt_[A-Za-z0-9_-]{72}$/),
      token_type: 'Bearer',
      expires_in: 900,
    });
  });

  it('sets the refresh token in a cookie that scripts and other sites cannot read', async () => {
    const reply = await tryLogin(node, user);
    expect(refreshCookie(reply)).toEqual({
      name: 'refresh_token',
      value: tokensOf(reply).refresh_token,
      httpOnly: true,
      secure: true,
      sameSite: 'Strict',
      path: '/auth',
      maxAge: 604_800,
    });
  });

  it('mints exactly the header and the eight claims of the contract', async () => {
    const before = Math.floor(Date.now() / 1000);
    const { access_token } = await login(node, user);
    expect(decodeProtectedHeader(access_token)).toEqual({
      alg: 'RS256',
      typ: 'at+jwt',
      kid: expect.any(String),
    });
    const claims = decodeJwt<{ role: string; sid: string }>(access_token);
    expect(claims).toEqual({
      iss: 'http://tandem.test',
      aud: 'api',
      sub: user.id,
      role: 'user',
      sid: expect.stringMatching(UUID),
      jti: expect.stringMatching(UUID),
      iat: expect.any(Number),
      exp: claims.iat! + 900,
    });
    expect(claims.jti![14]).toBe('8');
    expect(claims.iat).toBeGreaterThanOrEqual(before - 1);
    expect(claims.iat).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000) + 1);
  });

  it('mints tokens that another service can verify with the published keys', async () => {
    const { access_token } = await login(node, user);
    const published = await get(node, '/.well-known/jwks.json');
    expect(published.statusCode).toBe(200);
    expect(published.headers['cache-control']).toMatch(/^public, max-age=\d+$/);
    const jwks = published.json<JSONWebKeySet>();
    for (const key of jwks.keys) {
      expect(key).toMatchObject({ kty: 'RSA', alg: 'RS256', use: 'sig', kid: expect.any(String) });
      for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi']) expect(key).not.toHaveProperty(secret);
    }
    const { payload } = await jwtVerify(access_token, createLocalJWKSet(jwks), {
      algorithms: ['RS256'],
      typ: 'at+jwt',
      issuer: 'http://tandem.test',
      audience: 'api',
    });
    expect(payload.sub).toBe(user.id);
  });

  it('publishes the metadata of the issuer', async () => {
    const reply = await get(node, '/.well-known/oauth-authorization-server');
    expect(reply.statusCode).toBe(200);
    expect(reply.json()).toMatchObject({
      issuer: 'http://tandem.test',
      jwks_uri: 'http://tandem.test/.well-known/jwks.json',
    });
  });

  it('does not reveal whether a name is unknown, the password wrong or the user disabled', async () => {
    const disabled = await aUser(node);
    await sql(node, 'UPDATE users SET disabled_at = now() WHERE id = $1', [disabled.id]);
    const headers = { 'x-request-id': 'the-same' };
    const replies = [
      await tryLogin(node, { ...user, username: 'nobody-at-all' }, { headers }),
      await tryLogin(node, { ...user, password: 'not the password' }, { headers }),
      await tryLogin(node, disabled, { headers }),
      await tryLogin(node, { ...disabled, password: 'not the password' }, { headers }),
    ];
    for (const reply of replies) {
      expect(reply.statusCode).toBe(401);
      expect(codeOf(reply)).toBe('invalid_credentials');
      expect(reply.body).toBe(replies[0]!.body);
      expect(reply.headers['www-authenticate']).toBe('Bearer realm="tandem"');
      expect(reply.headers['cache-control']).toBe('no-store');
      expect(reply.cookies).toEqual([]);
    }
  });

  it('accepts a name in any case and in another Unicode form', async () => {
    const spelled = Array.from(user.username.toUpperCase())
      .map((c) => (/[A-Z]/.test(c) ? String.fromCodePoint(c.codePointAt(0)! + 0xfee0) : c))
      .join('');
    expect(spelled).not.toBe(user.username);
    expect((await tryLogin(node, { ...user, username: spelled })).statusCode).toBe(200);
  });

  it.each([
    ['no body', undefined],
    ['no password', { username: 'root' }],
    ['a number for a name', { username: 1, password: 'x' }],
    ['an empty password', { username: 'root', password: '' }],
    ['an unknown field', { username: 'root', password: 'x', admin: true }],
    ['an unknown delivery', { username: 'root', password: 'x', token_delivery: 'pigeon' }],
  ])('answers 400 and names the fields for %s', async (_, payload) => {
    const reply = await post(node, '/auth/login', payload);
    expect(reply.statusCode).toBe(400);
    expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(reply.headers['cache-control']).toBe('no-store');
    expect(reply.json()).toMatchObject({ code: 'validation_failed', status: 400 });
    const { errors } = reply.json<{ errors: { field: string; message: string }[] }>();
    expect(errors.length).toBeGreaterThan(0);
    for (const error of errors)
      expect(error).toEqual({ field: expect.any(String), message: expect.any(String) });
  });
});
