import { hash } from '@node-rs/bcrypt';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import {
  ROOT,
  aUser,
  bearer,
  codeOf,
  get,
  login,
  post,
  sidOf,
  sql,
  tryLogin,
  tryRefresh,
  until,
  verify,
} from '../helpers/client.js';
import type { Reply } from '../helpers/client.js';
import { WebhookReceiver } from '../helpers/webhook-receiver.js';

const PASSWORD = 'correct horse battery staple';
let node: TestApp;
let other: TestApp;
let late: TestApp | undefined;
let receiver: WebhookReceiver;
let root: ReturnType<typeof bearer>;
beforeAll(async () => {
  receiver = await WebhookReceiver.start();
  node = await createTestApp({ env: receiver.env });
  other = await createTestApp({ env: receiver.env, db: node.db });
  root = bearer((await login(node)).access_token);
});
afterAll(async () => {
  await late?.close();
  await other.close();
  await node.close();
  await receiver.close();
});

const remove = (id: string, as = root) =>
  node.app.inject({ method: 'DELETE', url: `/admin/users/${id}`, ...as });
const outcome = (reply: Reply) => [reply.statusCode, codeOf(reply)];
const create = (payload: object) => post(node, '/admin/users', payload, root);

describe('DELETE /admin/users/{id}', () => {
  it('ends every login of the user on all nodes within a second, and deletes the user', async () => {
    const user = await aUser(node);
    const logins = [await login(node, user), await login(other, user)];
    expect((await remove(user.id)).statusCode).toBe(204);
    for (const tokens of logins) {
      expect(await verify(node, tokens.access_token)).toBe('401 token_revoked');
      expect(
        await until(async () => (await verify(other, tokens.access_token)) === '401 token_revoked', 1_500),
      ).toBeLessThan(1_500);
      for (const at of [node, other])
        expect((await tryRefresh(at, tokens.refresh_token)).statusCode).toBe(401);
    }
    expect((await tryLogin(node, user)).statusCode).toBe(401);
    expect(await sql(node, 'SELECT 1 FROM users WHERE id = $1', [user.id])).toEqual([]);
    expect(outcome(await remove(user.id))).toEqual([404, 'not_found']);
  });

  it('is known to a node that starts after the user was deleted', async () => {
    const user = await aUser(node);
    const tokens = await login(node, user);
    expect((await remove(user.id)).statusCode).toBe(204);
    late = await createTestApp({ db: node.db, env: receiver.env });
    expect(await verify(late, tokens.access_token)).toBe('401 token_revoked');
    expect((await tryRefresh(late, tokens.refresh_token)).statusCode).toBe(401);
  });

  it('keeps the id in the audit trail, and tells the product', async () => {
    const user = await aUser(node);
    const tokens = await login(node, user);
    await remove(user.id);
    const events = await sql<{ event: string; cause: string }>(
      node,
      `SELECT event, cause FROM audit_events WHERE user_id = $1 ORDER BY id`,
      [user.id],
    );
    expect(events.at(-1)).toEqual({ event: 'user', cause: 'deleted' });
    expect(events.length).toBeGreaterThan(2);
    await until(async () => receiver.of(user.id).length === 2, 10_000);
    expect(
      receiver.of(user.id).map(({ event }) => [event.type, event.data['state'], event.data['sid']]),
    ).toEqual([
      ['login.revoked', 'revoked', sidOf(tokens)],
      ['user.deleted', 'deleted', undefined],
    ]);
  });

  it('frees name and external id for another user, who has another id and gets none of the old logins', async () => {
    const payload = { username: `u-${randomUUID()}`, password: PASSWORD, external_id: `x-${Date.now()}` };
    const first = (await create(payload)).json<{ id: string }>();
    const tokens = await login(node, { ...payload, id: first.id });
    await remove(first.id);
    const second = await create(payload);
    expect(second.statusCode).toBe(201);
    expect(second.json<{ id: string }>().id).not.toBe(first.id);
    expect(await verify(node, tokens.access_token)).toBe('401 token_revoked');
    expect((await tryRefresh(node, tokens.refresh_token)).statusCode).toBe(401);
  });

  it('lets a later user with the same UUID log in at once, and refuses the tokens of the deleted one', async () => {
    const external_id = randomUUID();
    const payload = { username: `u-${external_id}`, password: PASSWORD, external_id };
    expect((await create(payload)).json()).toMatchObject({ id: external_id });
    const before = await login(node, { ...payload, id: external_id });
    await node.app.inject({
      method: 'PATCH',
      url: `/admin/users/${external_id}`,
      payload: { disabled: true },
      ...root,
    });
    await remove(external_id);
    expect((await create(payload)).json()).toMatchObject({ id: external_id });
    const after = await login(node, { ...payload, id: external_id });
    for (const at of [node, other]) {
      await until(async () => (await verify(at, before.access_token)) === '401 token_revoked', 1_500);
      expect(await verify(at, after.access_token)).toBe('204');
    }
  });

  it('refuses a login that is in flight, or revokes it', async () => {
    for (let round = 0; round < 5; round += 1) {
      const user = await aUser(node);
      const [logged, removed] = await Promise.all([tryLogin(other, user), remove(user.id)]);
      expect(removed.statusCode).toBe(204);
      expect([200, 401]).toContain(logged.statusCode);
      if (logged.statusCode === 200) {
        const { access_token, refresh_token } = logged.json<{
          access_token: string;
          refresh_token: string;
        }>();
        await until(async () => (await verify(other, access_token)) === '401 token_revoked', 1_500);
        expect((await tryRefresh(other, refresh_token)).statusCode).toBe(401);
      }
    }
  });

  it('refuses to delete the last active administrator, also in a race', async () => {
    const admins = await sql<{ id: string }>(
      node,
      `SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL`,
    );
    expect(admins).toHaveLength(1);
    expect(outcome(await remove(admins[0]!.id))).toEqual([409, 'last_admin']);
    const second = await aUser(node, { role: 'admin' });
    const asSecond = bearer((await login(node, second)).access_token);
    const replies = await Promise.all([remove(admins[0]!.id, asSecond), remove(second.id)]);
    const statuses = replies.map(({ statusCode }) => statusCode);
    expect(statuses.filter((status) => status === 204)).toHaveLength(1);
    expect(statuses.find((status) => status !== 204)).toBeOneOf([401, 409]);
    expect(await sql(node, `SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL`)).toHaveLength(
      1,
    );
    // For the tests that follow.
    if (statuses[0] === 204) {
      root = asSecond;
      await create({ username: ROOT.username, password: ROOT.password, role: 'admin' });
    }
  });

  it('is closed to everybody but administrators, and refuses an id that is none', async () => {
    const user = await aUser(node);
    expect(outcome(await remove(user.id, bearer((await login(node, user)).access_token)))).toEqual([
      403,
      'forbidden',
    ]);
    const anonymous = await node.app.inject({ method: 'DELETE', url: `/admin/users/${user.id}` });
    expect(outcome(anonymous)).toEqual([401, 'token_missing']);
    expect((await remove('nonsense')).statusCode).toBe(400);
    expect(outcome(await remove(randomUUID()))).toEqual([404, 'not_found']);
    expect((await get(node, '/admin/users', root.headers.authorization.slice(7))).body).toContain(user.id);
  });
});

describe('POST /admin/users', () => {
  it('takes the external id and the password hash of a product', async () => {
    const [username, external_id] = [`u-${randomUUID()}`, `auth0|${Date.now()}`];
    const reply = await create({ username, external_id, password_hash: await hash(PASSWORD, 4) });
    expect([reply.statusCode, reply.json()]).toMatchObject([201, { external_id }]);
    expect((await tryLogin(node, { id: '', username, password: PASSWORD })).statusCode).toBe(200);
    const again = await create({ username: `${username}-2`, external_id });
    expect(outcome(again)).toEqual([409, 'external_id_taken']);
  });

  it('creates a user without a password, who cannot log in with any', async () => {
    const username = `u-${randomUUID()}`;
    expect((await create({ username })).statusCode).toBe(201);
    for (const password of ['', 'null', PASSWORD])
      expect((await tryLogin(node, { id: '', username, password })).statusCode).toBeOneOf([400, 401]);
  });

  it.each([
    ['both passwords', { password: PASSWORD, password_hash: '$2b$04$x' }],
    ['a hash that costs minutes', { password_hash: `$2b$20$${'a'.repeat(53)}` }],
    ['a hash of no known scheme', { password_hash: 'plain' }],
    ['an external id that breaks the rules', { external_id: 'a b' }],
    ['an external id of null', { external_id: null }],
    ['a password of null', { password: null }],
  ])('refuses %s', async (_, payload) => {
    const reply = await create({ username: `u-${randomUUID()}`, ...payload });
    expect(outcome(reply)).toEqual([400, 'validation_failed']);
  });
});
