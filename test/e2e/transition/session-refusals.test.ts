import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signSid } from '../../../src/transition/sessions/stores/express-session.codec.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { ROOT, aUser, bearer, codeOf, login, post, sql } from '../../helpers/client.js';
import type { Account, Reply } from '../../helpers/client.js';
import {
  NAME,
  SECRET,
  bySession,
  cookieFor,
  sessionLogin,
  sidIn,
  statusOf,
  trySessionLogin,
  verifySession,
} from './session-client.js';

const LISTED = 'https://app.example.com';

let node: TestApp;
let user: Account;
beforeAll(async () => {
  node = await createTestApp({
    env: { SESSION_SECRET: SECRET, CORS_ORIGINS: LISTED },
  });
  user = await aUser(node);
});
afterAll(() => node.close());

describe('an invalid session cookie', () => {
  const value = (cookie: string) => decodeURIComponent(cookie.slice(NAME.length + 1));

  const BAD: readonly (readonly [string, (good: string) => string])[] = [
    ['empty', () => `${NAME}=`],
    ['not signed', (good) => `${NAME}=${sidIn(good)}`],
    ['signed with another secret', (good) => cookieFor(sidIn(good), 'another')],
    ['forged', (good) => `${NAME}=s%3A${sidIn(good)}.${'A'.repeat(43)}`],
    ['of another id with this signature', (good) => good.replace(/s%3A./, 's%3A~')],
    ['truncated', (good) => good.slice(0, -1)],
    ['truncated to its id', (good) => `${NAME}=s%3A${sidIn(good)}`],
    ['longer', (good) => `${good}x`],
    ['twice, with different values', () => `${NAME}=x; ${NAME}=y`],
    ['oversized', (good) => `${NAME}=${'x'.repeat(8_000)}${value(good)}`],
    ['badly encoded', () => `${NAME}=%E0%A4%A`],
    ['an encoded NUL', () => `${NAME}=s%3A%00.x`],
    ['JSON', () => `${NAME}=j%3A%7B%7D`],
    ['a prototype', () => `${NAME}=__proto__`],
    ['signed, of no session', () => cookieFor('0'.repeat(32))],
    ['signed, with a NUL in its id', () => cookieFor('a\0b')],
    ['signed, very long', () => cookieFor('x'.repeat(3_000))],
    ['signed, with odd characters', () => cookieFor(`'; DROP TABLE session; --`)],
  ];

  it.each(BAD)('is refused: %s', async (_, made) => {
    const good = await sessionLogin(node, user);
    const reply = await bySession(node, made(good), { url: '/api/users/me' });
    expect(statusOf(reply)).toBe('401 session_invalid');
    expect(reply.headers['www-authenticate']).toBe('Bearer realm="tandem"');
    expect(reply.headers['cache-control']).toBe('no-store');
    for (const [method, url] of [
      ['POST', '/api/logout'],
      ['POST', '/auth/exchange'],
      ['GET', '/auth/verify'],
    ] as const) {
      expect(statusOf(await bySession(node, made(good), { method, url }))).toBe('401 session_invalid');
    }
    const asked = await bySession(node, made(good), { url: '/auth/migration' });
    expect([asked.statusCode, Object.keys(asked.json<object>())]).toEqual([200, ['phase', 'banner']]);
    // It harms nobody: neither a login with it nor the session that it resembles.
    expect((await trySessionLogin(node, user, { cookie: made(cookieFor('nobody')) })).statusCode).toBe(200);
    expect(await verifySession(node, good)).toBe('204');
  });

  it('is ignored if it has another name', async () => {
    const good = await sessionLogin(node, user);
    for (const name of [`x${NAME}`, `${NAME}x`, NAME.toUpperCase()]) {
      const reply = await bySession(node, good.replace(NAME, name), { url: '/api/users/me' });
      expect(statusOf(reply)).toBe('401 token_missing');
    }
    const among = await bySession(node, `a=b; ${good}; theme="dark"`, { url: '/api/users/me' });
    expect(among.statusCode).toBe(200);
    const quoted = `${NAME}="${encodeURIComponent(signSid(sidIn(good), SECRET))}"`;
    expect((await bySession(node, quoted, { url: '/api/users/me' })).statusCode).toBe(200);
  });

  it('is refused if its user is disabled or deleted, or if it has expired', async () => {
    const account = await aUser(node);
    const cookie = await sessionLogin(node, account);
    await sql(node, `UPDATE users SET disabled_at = now() WHERE id = $1`, [account.id]);
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    expect((await trySessionLogin(node, account)).statusCode).toBe(401);
    await sql(node, `UPDATE users SET disabled_at = NULL WHERE id = $1`, [account.id]);
    expect(await verifySession(node, cookie)).toBe('204');
    await sql(node, `UPDATE session SET expire = now() WHERE sid = $1`, [sidIn(cookie)]);
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    await sql(node, `UPDATE session SET expire = now() + interval '1 hour' WHERE sid = $1`, [sidIn(cookie)]);
    await sql(node, `DELETE FROM users WHERE id = $1`, [account.id]);
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
  });
});

describe('a call by session from another site', () => {
  const payload = { current_password: 'x', new_password: 'y' };
  const calling = (cookie: string, headers: Record<string, string>): Promise<Reply> =>
    bySession(node, cookie, { method: 'POST', url: '/auth/password', payload, headers });

  it.each<Record<string, string>>([
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site', origin: 'https://other.example.com' },
    { 'sec-fetch-site': 'cross-site', origin: 'http://localhost' },
  ])('is refused if it changes state: %o', async (headers) => {
    const cookie = await sessionLogin(node, user);
    expect(statusOf(await calling(cookie, headers))).toBe('403 cross_site_request');
    const reading = await bySession(node, cookie, { url: '/api/users/me', headers });
    expect(reading.statusCode).toBe(200);
    for (const url of ['/api/logout', '/auth/exchange']) {
      const refused = await bySession(node, cookie, { method: 'POST', url, headers });
      expect(statusOf(refused)).toBe('403 cross_site_request');
    }
    const entering = await trySessionLogin(node, user, headers);
    expect(statusOf(entering)).toBe('403 cross_site_request');
    expect(entering.cookies).toEqual([]);
    expect(await verifySession(node, cookie)).toBe('204');
  });

  it.each<Record<string, string>>([
    {},
    { 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'none' },
    { 'sec-fetch-site': 'cross-site', origin: LISTED },
    { origin: LISTED },
  ])('is accepted from the same or a listed origin: %o', async (headers) => {
    const cookie = await sessionLogin(node, user);
    expect(statusOf(await calling(cookie, headers))).toBe('401 invalid_credentials');
  });

  it('is accepted by token', async () => {
    const { access_token } = await login(node, user);
    const headers = { ...bearer(access_token).headers, origin: 'https://evil.example' };
    const reply = await post(node, '/auth/password', payload, { headers });
    expect(codeOf(reply)).toBe('invalid_credentials');
  });
});

describe('roles by session', () => {
  it('are read for each request', async () => {
    const account = await aUser(node);
    const cookie = await sessionLogin(node, account);
    const users = () => bySession(node, cookie, { url: '/admin/users' });
    expect(statusOf(await users())).toBe('403 forbidden');
    const root = await sessionLogin(node, ROOT);
    const promoted = await bySession(node, root, {
      method: 'PATCH',
      url: `/admin/users/${account.id}`,
      payload: { role: 'admin' },
    });
    expect(promoted.statusCode).toBe(200);
    expect((await users()).statusCode).toBe(200);
  });
});
