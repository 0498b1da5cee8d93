import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { cursorsOf } from '../../../src/common/http/pagination.js';
import { UserStore } from '../../../src/users/user.store.js';
import { AdminRole } from '../../../src/users/admin-role.js';
import type { NewUser } from '../../../src/users/user.store.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';

const ORIGIN = { ip: '192.0.2.7', userAgent: 'test', requestId: 'r-1' };

function aNewUser(given: Partial<NewUser> = {}): NewUser {
  const id = randomUUID();
  return {
    id,
    username: `User-${id}`,
    usernameKey: `user-${id}`,
    passwordHash: 'hash',
    role: 'user',
    ...given,
  };
}

describe('UserStore', () => {
  let test: TestDatabase;
  let store: UserStore;

  beforeAll(async () => {
    test = await createTestDatabase();
    store = new UserStore(test.database, new AdminRole('admin'));
  });

  afterAll(() => test.drop());

  const eventsOf = (userId: string) =>
    test.database.query(
      'SELECT event, cause, actor_id, ip, user_agent, request_id FROM audit_events WHERE user_id = $1',
      [userId],
    );

  it('returns a stored user by id and by key', async () => {
    const user = aNewUser({ role: 'admin', email: 'grace@example.com' });
    const made = await store.insert(user, NO_ORIGIN);
    expect(made).toEqual({
      ...user,
      externalId: null,
      epoch: 0,
      disabledAt: null,
      createdAt: expect.any(Date),
    });
    expect(await store.findById(user.id)).toEqual(made);
    expect(await store.findByKey(user.usernameKey)).toEqual(made);
    expect(await store.findById(randomUUID())).toBeUndefined();
    expect(await store.findByKey(user.username)).toBeUndefined();
  });

  it('audits the creation of a user once, in the same statement', async () => {
    const user = aNewUser();
    const actorId = randomUUID();
    await store.insert(user, ORIGIN, actorId);
    expect(await eventsOf(user.id)).toEqual([
      {
        event: 'user',
        cause: 'created',
        actor_id: actorId,
        ip: '192.0.2.7',
        user_agent: 'test',
        request_id: 'r-1',
      },
    ]);
  });

  it('creates exactly one of many simultaneous users with one name', async () => {
    const users = Array.from({ length: 20 }, () => aNewUser({ usernameKey: 'wanted' }));
    const outcomes = await Promise.all(users.map((user) => store.insert(user, ORIGIN)));
    const made = outcomes.filter((outcome) => outcome !== 'username_taken');
    expect(made).toHaveLength(1);
    expect(await store.findByKey('wanted')).toEqual(made[0]);
    const audited = await Promise.all(users.map(({ id }) => eventsOf(id)));
    expect(audited.flat()).toHaveLength(1);
  });

  it('reports a taken id, and no other failure, as taken', async () => {
    const user = aNewUser();
    await store.insert(user, NO_ORIGIN);
    await expect(store.insert(aNewUser({ id: user.id }), NO_ORIGIN)).resolves.toBe('id_taken');
    await expect(store.insert(aNewUser({ role: 'Root User' }), NO_ORIGIN)).rejects.toThrow(
      /users_role_check/,
    );
  });

  it('replaces a hash for exactly one of many simultaneous callers, and keeps the epoch', async () => {
    const user = aNewUser({ passwordHash: 'old' });
    await store.insert(user, NO_ORIGIN);
    const news = Array.from({ length: 10 }, (_, i) => `new-${i}`);
    const outcomes = await Promise.all(news.map((next) => store.replaceHash(user.id, 'old', next)));
    expect(outcomes.filter(Boolean)).toHaveLength(1);
    expect(await store.findById(user.id)).toMatchObject({
      passwordHash: news[outcomes.indexOf(true)],
      epoch: 0,
    });
  });

  it('finds an administrator only while one is active', async () => {
    await test.database.query("UPDATE users SET role = 'user'");
    expect(await store.adminExists()).toBe(false);
    const admin = aNewUser({ role: 'admin' });
    await store.insert(admin, NO_ORIGIN);
    expect(await store.adminExists()).toBe(true);
    await test.database.query('UPDATE users SET disabled_at = now() WHERE id = $1', [admin.id]);
    expect(await store.adminExists()).toBe(false);
  });

  it('lists every user once over all pages while others are created and deleted', async () => {
    await test.database.query('DELETE FROM users');
    const names = ['ada', 'b-2', 'émile', 'grace', 'zoe', 'мария', '李'];
    for (const name of names)
      await store.insert(aNewUser({ username: name.toUpperCase(), usernameKey: name }), NO_ORIGIN);
    const seen: string[] = [];
    let cursor: string | null | undefined;
    while (cursor !== null) {
      const page = await store.list(2, cursor);
      expect(page.users.length).toBeLessThanOrEqual(2);
      seen.push(...page.users.map(({ username }) => username.toLowerCase()));
      cursor = page.next_cursor;
      await test.database.query('DELETE FROM users WHERE username_key = $1', [seen.at(-1)]);
    }
    expect(seen.toSorted()).toEqual(names.toSorted());
    expect(await store.list(2, undefined)).toMatchObject({ users: expect.any(Array) });
  });

  it('lists only id, name and role of a user', async () => {
    await test.database.query('DELETE FROM users');
    expect(await store.list(50, undefined)).toEqual({ users: [], next_cursor: null });
    const { id, username } = aNewUser();
    await store.insert(aNewUser({ id, username, email: 'grace@example.com' }), NO_ORIGIN);
    expect(await store.list(1, undefined)).toEqual({
      users: [{ id, username, role: 'user' }],
      next_cursor: null,
    });
  });

  it.each([
    '',
    '!',
    'not a cursor',
    'YWRh=',
    'YWRh\n',
    'YWR+',
    '_-8',
    'YWRh',
    cursorsOf('users', /./).write('a\0b'),
    cursorsOf('users', /./).write('a b'),
    cursorsOf('users', /./).write('ada').slice(1),
    cursorsOf('accounts', /./).write('ada'),
  ])('refuses the invalid cursor %j', async (cursor) => {
    await expect(store.list(10, cursor)).rejects.toMatchObject({
      code: 'validation_failed',
      status: 400,
      errors: [{ field: 'cursor' }],
    });
  });

  it('lets only one caller at a time create the first users', async () => {
    let inside = 0;
    let most = 0;
    const once = () =>
      store.withLock(async (sql) => {
        most = Math.max(most, ++inside);
        await sql.query('SELECT pg_sleep(0.01)');
        inside -= 1;
      });
    await Promise.all(Array.from({ length: 5 }, once));
    expect(most).toBe(1);
  });
});
