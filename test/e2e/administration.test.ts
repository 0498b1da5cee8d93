import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, bearer, codeOf, get, login, post, sql, verify } from '../helpers/client.js';
import type { Reply } from '../helpers/client.js';

const PASSWORD = 'correct horse battery staple';

describe('the administration of users', () => {
  let node: TestApp;
  let admin: ReturnType<typeof bearer>;
  beforeAll(async () => {
    node = await createTestApp();
    admin = bearer((await login(node)).access_token);
  });
  afterAll(() => node.close());

  function create(payload: object, as = admin): Promise<Reply> {
    return post(node, '/admin/users', payload, as);
  }

  it('creates a user who can log in, and does not return the password', async () => {
    const username = `Grace-${randomUUID()}`;
    const reply = await create({ username, password: PASSWORD, role: 'admin', email: 'grace@example.com' });
    expect(reply.statusCode).toBe(201);
    expect(reply.json()).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      username,
      role: 'admin',
      email: 'grace@example.com',
      disabled: false,
      external_id: null,
      has_password: true,
      created_at: expect.any(String),
    });
    const { id } = reply.json<{ id: string }>();
    const tokens = await login(node, { id, username, password: PASSWORD });
    expect((await get(node, '/api/users/me', tokens.access_token)).json()).toMatchObject({
      id,
      role: 'admin',
    });
    const events = await sql(node, `SELECT event FROM audit_events WHERE user_id = $1 AND event = 'user'`, [
      id,
    ]);
    expect(events).toHaveLength(1);
  });

  it('gives the role user by default', async () => {
    const reply = await create({ username: `u-${randomUUID()}`, password: PASSWORD });
    expect(reply.json()).toMatchObject({ role: 'user', email: null });
  });

  it('refuses a name that is taken, in any case', async () => {
    const username = `taken-${randomUUID()}`;
    await create({ username, password: PASSWORD });
    const reply = await create({ username: username.toUpperCase(), password: PASSWORD });
    expect([reply.statusCode, codeOf(reply)]).toEqual([409, 'username_taken']);
  });

  it('refuses a weak password', async () => {
    const reply = await create({ username: `u-${randomUUID()}`, password: 'test123' });
    expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'password_too_weak']);
  });

  it.each([
    ['an unknown field', { username: 'x', password: PASSWORD, id: randomUUID() }],
    ['a text that is no role', { username: 'x', password: PASSWORD, role: 'Root User' }],
    ['an address that is none', { username: 'x', password: PASSWORD, email: 'nobody' }],
    ['a name with white space', { username: 'a b', password: PASSWORD }],
  ])('refuses %s', async (_, payload) => {
    const reply = await create(payload);
    expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'validation_failed']);
  });

  it('is closed to users who are not administrators, and to unauthenticated callers', async () => {
    const user = await aUser(node);
    const as = bearer((await login(node, user)).access_token);
    const payload = { username: `u-${randomUUID()}`, password: PASSWORD };
    for (const reply of [
      await create(payload, as),
      await post(node, `/admin/users/${user.id}/revoke`, undefined, as),
    ]) {
      expect([reply.statusCode, codeOf(reply)]).toEqual([403, 'forbidden']);
    }
    const stranger = await post(node, '/admin/users', payload);
    expect([stranger.statusCode, codeOf(stranger)]).toEqual([401, 'token_missing']);
  });

  it('revokes every token family of a user, and returns the number', async () => {
    const [user, bystander] = [await aUser(node), await aUser(node)];
    const logins = [await login(node, user), await login(node, user), await login(node, user)];
    const spared = await login(node, bystander);
    const reply = await post(node, `/admin/users/${user.id}/revoke`, undefined, admin);
    expect(reply.statusCode).toBe(200);
    expect(reply.json()).toEqual({ revoked: 3 });
    for (const { access_token } of logins) expect(await verify(node, access_token)).toBe('401 token_revoked');
    expect(await verify(node, spared.access_token)).toBe('204');
    const events = await sql(
      node,
      `SELECT actor_id FROM audit_events WHERE event = 'revoke' AND user_id = $1`,
      [user.id],
    );
    expect(events).toEqual([{ actor_id: expect.stringMatching(/^[0-9a-f-]{36}$/) }]);
  });

  it('answers 404 for an unknown id and 400 for an invalid id', async () => {
    const unknown = await post(node, `/admin/users/${randomUUID()}/revoke`, undefined, admin);
    expect([unknown.statusCode, codeOf(unknown)]).toEqual([404, 'not_found']);
    const none = await post(node, '/admin/users/root/revoke', undefined, admin);
    expect(none.statusCode).toBe(400);
  });
});
