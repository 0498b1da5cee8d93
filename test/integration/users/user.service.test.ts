import { randomUUID } from 'node:crypto';
import { hash as argon2 } from '@node-rs/argon2';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { Clock } from '../../../src/common/clock.js';
import { DatabaseUnavailable } from '../../../src/database/database.errors.js';
import { PasswordHasher } from '../../../src/users/hashing/password-hasher.js';
import { PasswordPolicy } from '../../../src/users/password-policy.js';
import type { User } from '../../../src/users/user.entity.js';
import { UserService } from '../../../src/users/user.service.js';
import { UserStore } from '../../../src/users/user.store.js';
import { AdminRole } from '../../../src/users/admin-role.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';

const PASSWORD = 'correct horse battery staple';

describe('UserService', () => {
  let test: TestDatabase;
  let store: UserStore;
  let users: UserService;
  const hasher = new PasswordHasher(new Clock());

  beforeAll(async () => {
    test = await createTestDatabase();
    store = new UserStore(test.database, new AdminRole('admin'));
    users = new UserService(store, hasher, new PasswordPolicy({ passwordMinLength: 15 }));
  });

  afterEach(() => {
    vi.restoreAllMocks();
  });

  afterAll(() => test.drop());

  const create = (username: string, password = PASSWORD) => users.create({ username, password }, NO_ORIGIN);

  const disable = (user: User) =>
    test.database.query('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]);

  /** A hash as another system or an older version would have stored it. */
  async function createOutdated(username: string): Promise<User> {
    const user = await create(username);
    const outdated = await argon2(PASSWORD, { memoryCost: 4096, timeCost: 3, parallelism: 1 });
    await store.replaceHash(user.id, user.passwordHash ?? '', outdated);
    user.passwordHash = outdated;
    return user;
  }

  it('verifies a user by name and password', async () => {
    const user = await create('Grace');
    expect(user).toMatchObject({ username: 'Grace', usernameKey: 'grace', role: 'user', email: null });
    expect(await users.checkPassword('Grace', PASSWORD)).toEqual({ outcome: 'ok', user });
    expect(await users.find(user.id)).toEqual(user);
  });

  it('compares names without case and in any normalisation, and passwords in any normalisation but with case', async () => {
    const { id } = await create('Zo\u00eb', 'na\u00efve caf\u00e9 au lait');
    for (const name of ['zo\u00eb', 'ZOE\u0308', '\uff3ao\u00eb']) {
      const checked = await users.checkPassword(name, 'nai\u0308ve cafe\u0301 au lait');
      expect(checked, name).toMatchObject({ outcome: 'ok', user: { id } });
    }
    expect(await users.checkPassword('zo\u00eb', 'Na\u00efve caf\u00e9 au lait')).toMatchObject({
      outcome: 'refused',
    });
  });

  it('tells its caller why a login is refused', async () => {
    await create('refused');
    const disabled = await create('disabled');
    await disable(disabled);
    const causes = {
      unknown_user: [
        ['nobody', PASSWORD],
        ['not a name', PASSWORD],
        ['', ''],
        ['nul\0', PASSWORD],
        ['\ud800', '\ud800'],
      ],
      wrong_password: [
        ['refused', 'wrong'],
        ['refused', ''],
        ['refused', `${PASSWORD}\0`],
        ['disabled', 'wrong'],
      ],
      disabled: [['disabled', PASSWORD]],
    } as const;
    for (const [cause, attempts] of Object.entries(causes)) {
      for (const [username, password] of attempts)
        expect(await users.checkPassword(username, password), username).toEqual({
          outcome: 'refused',
          cause,
        });
    }
  });

  it('does one query and verifies one hash for any name', async () => {
    const without = await create('without-password');
    await test.database.query('UPDATE users SET password_hash = NULL WHERE id = $1', [without.id]);
    await disable(await createOutdated('outdated-and-disabled'));
    await create('checked');
    const lookUp = vi.spyOn(store, 'findByKey');
    const work = [vi.spyOn(hasher, 'verify'), vi.spyOn(hasher, 'verifyNothing'), vi.spyOn(hasher, 'hash')];
    for (const [username, password] of [
      ['checked', 'wrong'],
      ['nobody', PASSWORD],
      ['not a name', PASSWORD],
      ['without-password', PASSWORD],
      ['outdated-and-disabled', PASSWORD],
    ] as const) {
      vi.clearAllMocks();
      expect(await users.checkPassword(username, password)).toMatchObject({ outcome: 'refused' });
      expect(lookUp).toHaveBeenCalledTimes(1);
      expect(
        work.reduce((sum, spy) => sum + spy.mock.calls.length, 0),
        username,
      ).toBe(1);
    }
  });

  it('replaces an outdated hash only after a right password, and revokes no family', async () => {
    const { id, passwordHash: outdated } = await createOutdated('renewed');
    await users.checkPassword('renewed', 'wrong');
    expect(await users.find(id)).toMatchObject({ passwordHash: outdated });
    const checked = await users.checkPassword('renewed', PASSWORD);
    const renewed = await users.find(id);
    expect(renewed).toMatchObject({ epoch: 0, passwordHash: expect.stringContaining('$m=19456,t=2,p=1$') });
    expect(checked).toEqual({ outcome: 'ok', user: renewed });
    expect(await users.checkPassword('renewed', PASSWORD)).toMatchObject({ outcome: 'ok' });
  });

  it('accepts a right password even if the outdated hash cannot be replaced now', async () => {
    await createOutdated('patient');
    vi.spyOn(store, 'replaceHash').mockRejectedValueOnce(new DatabaseUnavailable(new Error('gone')));
    expect(await users.checkPassword('patient', PASSWORD)).toMatchObject({ outcome: 'ok' });
  });

  it('sets a new password right after the check of the old one has replaced its hash', async () => {
    const user = await createOutdated('changing');
    expect(await users.checkPasswordOf(user, PASSWORD)).toBe(true);
    const hash = await users.hashNew('another horse battery staple', user.username);
    await test.database.transaction((sql) => users.setHash(sql, user, hash));
    expect(await users.checkPassword('changing', 'another horse battery staple')).toMatchObject({
      outcome: 'ok',
    });
  });

  it('sets the password for one of two simultaneous changes, and the other can be repeated', async () => {
    const user = await create('contended');
    const change = (hash: string) => test.database.transaction((sql) => users.setHash(sql, user, hash));
    const outcomes = await Promise.allSettled([change('one'), change('two')]);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const refused = outcomes.find((outcome) => outcome.status === 'rejected');
    expect(refused?.reason).toMatchObject({ status: 503, headers: { 'Retry-After': '1' } });
  });

  it('creates a user with role, email address and actor', async () => {
    const actorId = randomUUID();
    const given = { username: 'Ada', password: PASSWORD, role: 'admin', email: 'ada@example.com' } as const;
    const { id } = await users.create(given, NO_ORIGIN, actorId);
    expect(await users.find(id)).toMatchObject({ username: 'Ada', role: 'admin', email: 'ada@example.com' });
    const events = await test.database.query('SELECT cause, actor_id FROM audit_events WHERE user_id = $1', [
      id,
    ]);
    expect(events).toEqual([{ cause: 'created', actor_id: actorId }]);
  });

  it.each([
    [
      'no name',
      'two words',
      PASSWORD,
      { code: 'validation_failed', status: 400, errors: [{ field: 'username' }] },
    ],
    [
      'a name of NUL',
      'a\0',
      PASSWORD,
      { code: 'validation_failed', status: 400, errors: [{ field: 'username' }] },
    ],
    [
      'a short password',
      'short',
      'short',
      { code: 'password_too_weak', status: 400, errors: [{ field: 'password' }] },
    ],
    [
      'its own name',
      'my-very-own-username',
      'My-Very-Own-Username',
      { code: 'password_too_weak', status: 400 },
    ],
  ])('creates no user with %s', async (_, username, password, problem) => {
    await expect(create(username, password)).rejects.toMatchObject(problem);
    expect(await users.checkPassword(username, password)).toMatchObject({ cause: 'unknown_user' });
  });

  it('creates no second user with a name in another spelling', async () => {
    await create('Taken');
    for (const username of ['Taken', 'tAKEN', '\uff54aken'])
      await expect(create(username)).rejects.toMatchObject({ code: 'username_taken', status: 409 });
  });

  it('names the field of a weak password and never quotes it', async () => {
    const refusal = await users.hashNew('hunter2', 'grace').catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'password_too_weak', errors: [{ field: 'new_password' }] });
    expect(JSON.stringify(refusal) + String(refusal)).not.toContain('hunter2');
  });
});
