import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { ROOT, aUser, bearer, get, login, post, sidOf, sql, verify } from '../../helpers/client.js';
import type { Account, Reply } from '../../helpers/client.js';
import { SECRET, bySession, sessionLogin, verifySession } from './session-client.js';

const PASSWORD = 'another quite long pass phrase';

describe('administration of users with sessions', () => {
  let node: TestApp;
  let other: TestApp;
  let admin: ReturnType<typeof bearer>;
  beforeAll(async () => {
    node = await createTestApp({ env: { SESSION_SECRET: SECRET } });
    other = await createTestApp({ env: { SESSION_SECRET: SECRET }, db: node.db });
    admin = bearer((await login(node)).access_token);
  });
  afterAll(async () => {
    await other.close();
    await node.close();
  });

  const patch = (user: Account, payload: object): Promise<Reply> =>
    node.app.inject({ method: 'PATCH', url: `/admin/users/${user.id}`, payload, ...admin });
  const revoke = async (filter: object) =>
    (await post(node, '/admin/tokens/revoke', filter, admin)).json<{ revoked: number }>().revoked;

  it.each([
    ['disabled', (user: Account) => patch(user, { disabled: true })],
    ['given a password', (user: Account) => patch(user, { password: PASSWORD })],
    ['logged out', (user: Account) => post(node, `/admin/users/${user.id}/revoke`, undefined, admin)],
    [
      'revoked with others',
      (user: Account) => post(node, '/admin/tokens/revoke', { user_ids: [user.id] }, admin),
    ],
  ])('revokes the sessions and tokens of a user who is %s, and of nobody else', async (_, act) => {
    const [user, bystander] = [await aUser(node), await aUser(node)];
    const [mine, theirs] = [await sessionLogin(other, user), await sessionLogin(other, bystander)];
    const tokens = await login(node, user);
    const reply = await act(user);
    expect(reply.statusCode).toBe(200);
    if ('revoked' in reply.json<object>()) expect(reply.json()).toEqual({ revoked: 2 });
    for (const each of [node, other]) expect(await verifySession(each, mine)).toBe('401 session_invalid');
    expect(await verify(node, tokens.access_token)).toBe('401 token_revoked');
    expect(await verifySession(node, theirs)).toBe('204');
  });

  it('applies a changed role to live sessions at once', async () => {
    const user = await aUser(node);
    const session = await sessionLogin(node, user);
    const users = async (at: TestApp) => (await bySession(at, session, { url: '/admin/users' })).statusCode;
    expect(await users(other)).toBe(403);
    await patch(user, { role: 'admin' });
    for (const each of [node, other]) expect(await users(each)).toBe(200);
    await patch(user, { role: 'user' });
    for (const each of [node, other]) expect(await users(each)).toBe(403);
    expect(await verifySession(other, session)).toBe('204');
  });

  it('revokes unlinked sessions when the role of their users is revoked', async () => {
    const user = await aUser(node);
    const session = await sessionLogin(node, user);
    expect(await revoke({ role: 'user' })).toBeGreaterThanOrEqual(1);
    expect(await verifySession(other, session)).toBe('401 session_invalid');
  });

  it('revokes sessions together with their linked families, one or many', async () => {
    for (const [name, end] of [
      ['one', (sid: string) => node.app.inject({ method: 'DELETE', url: `/admin/tokens/${sid}`, ...admin })],
      ['an address', () => revoke({ ip: '127.0.0.1', issued_before: '2999-01-01T00:00:00Z', role: 'user' })],
    ] as const) {
      const user = await aUser(node);
      const [session, alone] = [await sessionLogin(node, user), await sessionLogin(node, user)];
      const exchanged = await bySession(node, session, {
        method: 'POST',
        url: '/auth/exchange',
        payload: {},
      });
      expect(exchanged.statusCode, exchanged.body).toBe(200);
      await end(sidOf(exchanged.json()));
      expect(await verifySession(other, session), name).toBe('401 session_invalid');
      expect(await verifySession(other, alone), name).toBe('204');
    }
  });

  it('accepts an administrator by session exactly as by token', async () => {
    const session = await sessionLogin(node, ROOT);
    const user = await aUser(node);
    const reply = await bySession(node, session, {
      method: 'PATCH',
      url: `/admin/users/${user.id}`,
      payload: { email: 'a@example.com' },
    });
    expect(reply.statusCode).toBe(200);
    for (const path of ['users', 'tokens', 'keys']) {
      expect((await bySession(other, session, { url: `/admin/${path}` })).statusCode).toBe(200);
    }
    const me = (await get(node, '/api/users/me', admin.headers.authorization.slice(7))).json<{
      id: string;
    }>();
    const [event] = await sql(
      node,
      `SELECT actor_id FROM audit_events WHERE user_id = $1 AND cause = 'email'`,
      [user.id],
    );
    expect(event).toEqual({ actor_id: me.id });
    const forged = await bySession(node, session, {
      method: 'PATCH',
      url: `/admin/users/${user.id}`,
      payload: { role: 'admin' },
      headers: { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
    });
    expect(forged.statusCode).toBe(403);
  });
});
