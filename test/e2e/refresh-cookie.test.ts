import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import {
  aUser,
  codeOf,
  post,
  refreshCookie,
  sidOf,
  tokensOf,
  tryRefresh,
  verify,
} from '../helpers/client.js';
import type { Account, Reply, Tokens } from '../helpers/client.js';

const LISTED = 'https://app.example.com';
const HOST = 'tandem.test:5000';

describe('the refresh cookie', () => {
  let node: TestApp;
  let user: Account;
  beforeAll(async () => {
    node = await createTestApp({ env: { CORS_ORIGINS: LISTED } });
    user = await aUser(node);
  });
  afterAll(() => node.close());

  function loginBy(token_delivery?: 'body' | 'cookie'): Promise<Reply> {
    const { username, password } = user;
    return post(node, '/auth/login', { username, password, token_delivery });
  }

  /** Refreshes like a browser: only with the cookie and the headers that describe the page. */
  function byCookie(url: string, cookie: string, headers: Record<string, string> = {}): Promise<Reply> {
    return post(node, url, undefined, {
      cookies: { refresh_token: cookie },
      headers: { host: HOST, ...headers },
    });
  }

  it('is the only place of the refresh token if the login asks for it, also after every refresh', async () => {
    const reply = await loginBy('cookie');
    expect(Object.keys(reply.json<object>()).sort()).toEqual(['access_token', 'expires_in', 'token_type']);
    let cookie = refreshCookie(reply)!;
    for (let round = 0; round < 2; round++) {
      const next = await byCookie('/auth/refresh', cookie.value);
      expect(next.statusCode).toBe(200);
      expect(next.json()).not.toHaveProperty('refresh_token');
      expect(refreshCookie(next)).toMatchObject({
        httpOnly: true,
        secure: true,
        sameSite: 'Strict',
        path: '/auth',
      });
      expect(refreshCookie(next)!.value).not.toBe(cookie.value);
      cookie = refreshCookie(next)!;
    }
  });

  it('stays the only place of the refresh token if a refresh presents the token in the body', async () => {
    const reply = await tryRefresh(node, refreshCookie(await loginBy('cookie'))!.value);
    expect(reply.statusCode).toBe(200);
    expect(reply.json()).not.toHaveProperty('refresh_token');
    expect(refreshCookie(reply)).toBeDefined();
  });

  it('gets its successor only in a cookie, even if the login asked for the body', async () => {
    const reply = await loginBy('body');
    const next = await byCookie('/auth/refresh', tokensOf(reply).refresh_token);
    expect(next.statusCode).toBe(200);
    expect(next.json()).not.toHaveProperty('refresh_token');
  });

  it('is ignored if the body has a token', async () => {
    const cookie = refreshCookie(await loginBy('cookie'))!.value;
    const body = tokensOf(await loginBy());
    const reply = await tryRefresh(node, body.refresh_token, { cookies: { refresh_token: cookie } });
    expect(sidOf(reply.json<Tokens>())).toBe(sidOf(body));
    expect(reply.json()).toHaveProperty('refresh_token');
    const wrong = await tryRefresh(node, 'garbage', { cookies: { refresh_token: cookie } });
    expect(codeOf(wrong)).toBe('refresh_token_invalid');
    expect((await byCookie('/auth/refresh', cookie)).statusCode).toBe(200);
  });

  it('is cleared at logout', async () => {
    const reply = await byCookie('/auth/logout', refreshCookie(await loginBy('cookie'))!.value);
    expect(reply.statusCode).toBe(204);
    const cleared = refreshCookie(reply)!;
    expect(cleared).toMatchObject({ value: '', path: '/auth', httpOnly: true, secure: true });
    expect(cleared.expires!.getTime()).toBeLessThan(Date.now());
  });

  it.each([
    ['another origin', { origin: 'https://evil.example' }],
    ['an origin that only begins like a listed one', { origin: `${LISTED}.evil.example` }],
    ['an opaque origin', { origin: 'null' }],
    ['another port', { origin: 'http://tandem.test:5001' }],
    ['cross-site', { 'sec-fetch-site': 'cross-site' }],
    [
      'cross-site, whatever the origin claims',
      { 'sec-fetch-site': 'cross-site', origin: 'http://tandem.test:5000' },
    ],
  ])('is refused in a request from another site: %s', async (_, headers) => {
    const reply = await loginBy('cookie');
    const cookie = refreshCookie(reply)!.value;
    for (const url of ['/auth/refresh', '/auth/logout']) {
      const refused = await byCookie(url, cookie, headers);
      expect(refused.statusCode).toBe(403);
      expect(codeOf(refused)).toBe('cross_site_request');
      expect(refused.headers['cache-control']).toBe('no-store');
    }
    expect(await verify(node, reply.json<Tokens>().access_token)).toBe('204');
    expect((await byCookie('/auth/refresh', cookie)).statusCode).toBe(200);
  });

  it.each([
    ['its own origin', { origin: 'http://tandem.test:5000' }],
    ['same-origin', { 'sec-fetch-site': 'same-origin', origin: 'http://tandem.test:5000' }],
    ['a listed origin', { origin: LISTED }],
    ['a listed origin on another site', { origin: LISTED, 'sec-fetch-site': 'cross-site' }],
  ])('is accepted from %s', async (_, headers) => {
    const reply = await byCookie('/auth/refresh', refreshCookie(await loginBy('cookie'))!.value, headers);
    expect(reply.statusCode).toBe(200);
  });

  it('is protected against other sites, while a token in the body is accepted from any site', async () => {
    const { refresh_token } = tokensOf(await loginBy());
    const headers = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
    expect((await tryRefresh(node, refresh_token, { headers })).statusCode).toBe(200);
  });

  it('can be used only by scripts of the listed origins', async () => {
    const allowed = await node.app.inject({ url: '/health/live', headers: { origin: LISTED } });
    expect(allowed.headers['access-control-allow-origin']).toBe(LISTED);
    expect(allowed.headers['access-control-allow-credentials']).toBe('true');
    const other = await node.app.inject({ url: '/health/live', headers: { origin: 'https://evil.example' } });
    expect(other.headers['access-control-allow-origin']).toBeUndefined();
  });
});
