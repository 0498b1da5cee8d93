import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestApp } from '../../helpers/app.js';
import { ROOT, aUser, bearer, codeOf, login, post, sql } from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';
import {
  NAME,
  bySession,
  cookieFor,
  sessionCookie,
  sessionLogin,
  sidIn,
  statusOf,
  trySessionLogin,
  verifySession,
} from './session-client.js';
import { sessionNodes } from './session-nodes.js';
import type { SessionNodes } from './session-nodes.js';

describe('a session', () => {
  let nodes: SessionNodes;
  let node: TestApp;
  let other: TestApp;
  let user: Account;
  beforeAll(async () => {
    nodes = await sessionNodes();
    ({ node, other, user } = nodes);
  });
  afterAll(() => nodes.close());

  it('is opened with a password, and its cookie is HttpOnly', async () => {
    const reply = await trySessionLogin(node, user);
    expect(reply.statusCode).toBe(200);
    expect(reply.json()).toEqual({ user: { id: user.id, username: user.username, role: 'user' } });
    expect(reply.headers['cache-control']).toBe('no-store');
    expect(reply.cookies.find(({ name }) => name === NAME)).toEqual({
      name: NAME,
      value: expect.stringMatching(/^s:[\w-]{32}\.[A-Za-z0-9+/]{43}$/),
      httpOnly: true,
      sameSite: 'Lax',
      path: '/',
      maxAge: 86_400,
    });
    expect(reply.cookies.map(({ name }) => name)).toEqual([NAME]);
    expect(reply.body).not.toContain(sidIn(sessionCookie(reply)!));
  });

  it('is accepted on every node by every documented call', async () => {
    const cookie = await sessionLogin(node, user);
    const me = await bySession(other, cookie, { url: '/api/users/me' });
    expect(me.json()).toMatchObject({ id: user.id, username: user.username });
    const verified = await bySession(node, cookie, { url: '/auth/verify' });
    expect(verified.headers).toMatchObject({
      'x-auth-user-id': user.id,
      'x-auth-role': 'user',
      'x-auth-scheme': 'session',
    });
    expect((await bySession(node, cookie, { url: '/admin/users' })).statusCode).toBe(403);
    const root = await sessionLogin(node, ROOT);
    expect((await bySession(node, root, { url: '/admin/users' })).statusCode).toBe(200);
  });

  it('is refused by a call that takes tokens only', async () => {
    const cookie = await sessionLogin(node, user);
    const reply = await bySession(node, cookie, { method: 'POST', url: '/auth/logout-all' });
    expect(statusOf(reply)).toBe('401 token_missing');
    expect(await verifySession(node, cookie)).toBe('204');
  });

  it('is not opened with a wrong password or an invalid body', async () => {
    const wrong = await trySessionLogin(node, { ...user, password: 'wrong' });
    expect(statusOf(wrong)).toBe('401 invalid_credentials');
    expect(wrong.headers['www-authenticate']).toMatch(/^Bearer realm="/);
    expect(sessionCookie(wrong)).toBeUndefined();
    const { username, password } = user;
    for (const body of [
      { username },
      { username, password, token_delivery: 'body' },
      { username: 1, password },
    ]) {
      expect(statusOf(await post(node, '/api/login', body))).toBe('400 validation_failed');
    }
  });

  it('is revoked by a logout on all nodes, with one audit event for each step', async () => {
    const cookie = await sessionLogin(node, user);
    const before = await eventsOf(user);
    const reply = await bySession(node, cookie, { method: 'POST', url: '/api/logout' });
    expect(reply.statusCode).toBe(204);
    expect(reply.cookies.find(({ name }) => name === NAME)).toMatchObject({ value: '', path: '/' });
    for (const at of [node, other]) expect(await verifySession(at, cookie)).toBe('401 session_invalid');
    const again = await bySession(node, cookie, { method: 'POST', url: '/api/logout' });
    expect(statusOf(again)).toBe('401 session_invalid');
    expect(await eventsOf(user)).toEqual([...before, 'logout']);
    await sessionLogin(node, user);
    expect(await eventsOf(user)).toEqual([...before, 'logout', 'login']);
  });

  it('cannot be revoked without its cookie', async () => {
    expect(statusOf(await post(node, '/api/logout'))).toBe('401 token_missing');
    const { access_token } = await login(node, user);
    const cookie = await sessionLogin(node, user);
    const both = await bySession(node, cookie, {
      method: 'POST',
      url: '/api/logout',
      headers: bearer(access_token).headers,
    });
    expect(statusOf(both)).toBe('401 session_invalid');
    expect(await verifySession(node, cookie)).toBe('204');
  });

  it('is opened under a new id each time, and the previous one is revoked, so that no session is fixated', async () => {
    const first = await sessionLogin(node, user);
    const second = await sessionLogin(node, user, first);
    expect(second).not.toBe(first);
    expect(await verifySession(node, first)).toBe('401 session_invalid');
    expect(await verifySession(node, second)).toBe('204');
    // Somebody else's, planted: their session ends, the victim gets another one.
    const planted = await sessionLogin(node, ROOT);
    const own = await sessionLogin(node, user, planted);
    expect(await verifySession(node, planted)).toBe('401 session_invalid');
    expect((await bySession(node, own, { url: '/api/users/me' })).json()).toMatchObject({ id: user.id });
    // Not anybody's yet: as express-session makes them for visitors.
    await sql(node, `INSERT INTO session VALUES ('visitor', '{"cookie":{}}', now() + interval '1 hour')`);
    const named = await sessionLogin(node, user, cookieFor('visitor'));
    expect(sidIn(named)).not.toBe('visitor');
    expect(await sql(node, `SELECT 1 FROM session WHERE sid = 'visitor'`)).toEqual([]);
  });

  it('is ignored beside a Bearer token', async () => {
    const cookie = await sessionLogin(node, user);
    const { access_token } = await login(node, ROOT);
    const me = await bySession(node, cookie, { url: '/api/users/me', headers: bearer(access_token).headers });
    expect(me.json()).toMatchObject({ username: 'root' });
    for (const authorization of ['Bearer nonsense', 'Bearer', `Bearer ${access_token}x`]) {
      const reply = await bySession(node, cookie, { url: '/api/users/me', headers: { authorization } });
      expect([reply.statusCode, codeOf(reply)?.startsWith('token_')]).toEqual([401, true]);
    }
    const basic = await bySession(node, cookie, {
      url: '/api/users/me',
      headers: { authorization: 'Basic eDp5' },
    });
    expect(basic.statusCode).toBe(200);
  });

  it('is ignored on public routes', async () => {
    for (const url of ['/health/live', '/.well-known/jwks.json']) {
      expect((await bySession(node, cookieFor('nobody'), { url })).statusCode).toBe(200);
    }
  });

  it('is revoked with everything of its user, on all nodes', async () => {
    const cookies = [await sessionLogin(node, user), await sessionLogin(other, user)];
    const { access_token } = await login(node);
    const reply = await post(node, `/admin/users/${user.id}/revoke`, undefined, bearer(access_token));
    expect(reply.json<{ revoked: number }>().revoked).toBeGreaterThanOrEqual(2);
    for (const cookie of cookies) {
      expect(await verifySession(node, cookie)).toBe('401 session_invalid');
      expect(await verifySession(other, cookie)).toBe('401 session_invalid');
    }
    expect(await verifySession(other, await sessionLogin(node, user))).toBe('204');
  });

  it('survives its own change of the password, and no other session does', async () => {
    const account = await aUser(node);
    const mine = await sessionLogin(node, account);
    const another = await sessionLogin(node, account);
    const tokens = await login(node, account);
    const next = 'another long pass phrase';
    const payload = { current_password: account.password, new_password: next };
    const reply = await bySession(node, mine, { method: 'POST', url: '/auth/password', payload });
    expect(reply.statusCode).toBe(204);
    expect(await verifySession(node, mine)).toBe('204');
    expect(await verifySession(other, another)).toBe('401 session_invalid');
    const refused = await node.app.inject({ url: '/auth/verify', ...bearer(tokens.access_token) });
    expect(codeOf(refused)).toBe('token_revoked');
    expect((await trySessionLogin(node, account)).statusCode).toBe(401);
    expect((await trySessionLogin(node, { ...account, password: next })).statusCode).toBe(200);
  });

  async function eventsOf({ id }: Account): Promise<string[]> {
    const rows = await sql<{ event: string }>(
      node,
      `SELECT event FROM audit_events WHERE user_id = $1 ORDER BY id`,
      [id],
    );
    return rows.map(({ event }) => event);
  }
});
