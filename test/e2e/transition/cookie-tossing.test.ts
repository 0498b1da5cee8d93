import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, codeOf, login, post, sql, tokensOf, verify } from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';
import {
  NAME,
  SECRET,
  bySession,
  cookieFor,
  sessionCookie,
  sessionLogin,
  sidIn,
  statusOf,
  trySessionLogin,
  verifySession,
} from './session-client.js';
import { exchange } from './session-nodes.js';

describe('a browser with several session cookies', () => {
  let node: TestApp;
  let owner: Account;
  let attacker: Account;
  let own: string;
  let tossed: string;
  beforeAll(async () => {
    node = await createTestApp({ env: { SESSION_SECRET: SECRET } });
    owner = await aUser(node);
    attacker = await aUser(node);
  });
  beforeEach(async () => {
    own = await sessionLogin(node, owner);
    tossed = await sessionLogin(node, attacker);
  });
  afterAll(() => node.close());

  const orders = (one: string, other: string) => [`${one}; ${other}`, `${other}; ${one}`];

  const whoAmI = async (cookie: string) => {
    const reply = await bySession(node, cookie, { url: '/api/users/me' });
    return reply.statusCode === 200 ? reply.json<{ username: string }>().username : statusOf(reply);
  };

  it('is refused if the cookies belong to several live sessions, and none of these is revoked', async () => {
    for (const cookie of orders(own, tossed)) {
      expect(await whoAmI(cookie)).toBe('401 session_invalid');
      expect(statusOf(await exchange(node, cookie))).toBe('401 session_invalid');
      const asked = await bySession(node, cookie, { url: '/auth/migration' });
      expect(asked.json()).not.toHaveProperty('eligible');
    }
    expect(await verifySession(node, own)).toBe('204');
    expect(await verifySession(node, tossed)).toBe('204');
  });

  it('has all of its sessions and their linked families revoked at logout', async () => {
    const tokens = tokensOf(await exchange(node, own));
    const reply = await bySession(node, `${tossed}; ${own}`, { method: 'POST', url: '/api/logout' });
    expect(reply.statusCode).toBe(204);
    expect(await verifySession(node, own)).toBe('401 session_invalid');
    expect(await verifySession(node, tossed)).toBe('401 session_invalid');
    expect(await verify(node, tokens.access_token)).toBe('401 token_revoked');
  });

  it('has all of its sessions revoked when somebody logs in', async () => {
    const reply = await trySessionLogin(node, owner, { cookie: `${tossed}; ${own}` });
    expect(await verifySession(node, sessionCookie(reply)!)).toBe('204');
    expect(await verifySession(node, own)).toBe('401 session_invalid');
    expect(await verifySession(node, tossed)).toBe('401 session_invalid');
  });

  it.each<readonly [string, (good: string) => string]>([
    ['the same again', (good) => good],
    ['rubbish', () => `${NAME}=x`],
    ['nothing', () => `${NAME}=`],
    ['one that somebody else signed', (good) => cookieFor(sidIn(good), 'another')],
    ['one without a signature', (good) => `${NAME}=${sidIn(good)}`],
    ['one of a session that never was', () => cookieFor('0'.repeat(32))],
    ['a NUL', () => cookieFor('a\0b')],
  ])('is authenticated by the only live session: beside %s', async (_, made) => {
    for (const cookie of orders(own, made(own))) expect(await whoAmI(cookie)).toBe(owner.username);
    const out = await bySession(node, `${made(own)}; ${own}`, { method: 'POST', url: '/api/logout' });
    expect(out.statusCode).toBe(204);
    expect(await verifySession(node, own)).toBe('401 session_invalid');
  });

  it('can log in again after a logout, although the other cookie remains', async () => {
    await bySession(node, `${tossed}; ${own}`, { method: 'POST', url: '/api/logout' });
    const again = await sessionLogin(node, owner);
    for (const cookie of orders(tossed, again)) expect(await whoAmI(cookie)).toBe(owner.username);
  });

  it('is authenticated by the session with a user, beside an anonymous session of the product', async () => {
    await sql(node, `INSERT INTO session VALUES ('anonymous', '{"cookie":{}}', now() + interval '1 hour')`);
    for (const cookie of orders(cookieFor('anonymous'), own))
      expect(await whoAmI(cookie)).toBe(owner.username);
  });

  it('gets no session for refresh tokens of several families', async () => {
    const [one, other] = [await login(node, owner), await login(node, attacker)];
    const cookie = `refresh_token=${other.refresh_token}; refresh_token=${one.refresh_token}`;
    const reply = await post(node, '/auth/downgrade', undefined, { headers: { cookie } });
    expect([reply.statusCode, codeOf(reply)]).toEqual([401, 'refresh_token_invalid']);
    expect(await verify(node, one.access_token)).toBe('204');
    expect(await verify(node, other.access_token)).toBe('204');
    const alone = await post(node, '/auth/downgrade', undefined, {
      headers: { cookie: `refresh_token=x; refresh_token=${one.refresh_token}` },
    });
    expect(alone.statusCode).toBe(200);
  });
});
