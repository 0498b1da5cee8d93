import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Clock } from '../../../src/common/clock.js';
import type { Config } from '../../../src/config/config.js';
import { ConfigurationError } from '../../../src/config/config.js';
import { FirstUsersService } from '../../../src/users/first-users.service.js';
import { PasswordHasher } from '../../../src/users/hashing/password-hasher.js';
import { PasswordPolicy } from '../../../src/users/password-policy.js';
import { UserService } from '../../../src/users/user.service.js';
import { UserStore } from '../../../src/users/user.store.js';
import { AdminRole } from '../../../src/users/admin-role.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';

const ADMIN = { adminUsername: 'Root', adminPassword: 'correct horse battery staple' };
const EMBEDDED = { production: false, databaseUrl: undefined, host: '127.0.0.1' };
const ELSEWHERE = { production: false, databaseUrl: 'postgres://db.example/tandem', host: '127.0.0.1' };

describe('the first users', () => {
  let test: TestDatabase;
  let store: UserStore;
  let users: UserService;
  const hasher = new PasswordHasher(new Clock());
  const policy = new PasswordPolicy({ passwordMinLength: 15 });

  beforeEach(async () => {
    test = await createTestDatabase();
    store = new UserStore(test.database, new AdminRole('admin'));
    users = new UserService(store, hasher, policy);
  });

  afterEach(() => test.drop());

  /** Starts the service as a node does. */
  const start = (config: Partial<Config>) =>
    new FirstUsersService(store, hasher, policy, new AdminRole('admin'), config as Config).onModuleInit();

  const all = async () =>
    (await store.list(100, undefined)).users.map(({ username, role }) => [username, role]);

  it('include the demonstration user on the embedded database', async () => {
    await start(EMBEDDED);
    expect(await all()).toEqual([['test', 'user']]);
    expect(await users.checkPassword('test', 'test123')).toMatchObject({ outcome: 'ok' });
  });

  it.each([
    ['on another database', ELSEWHERE],
    ['in production', { ...EMBEDDED, production: true }],
    ['if other hosts can reach the service', { ...EMBEDDED, host: '0.0.0.0' }],
    ['if other hosts can reach the service by IPv6', { ...EMBEDDED, host: '::' }],
    ['if other hosts can reach the service by name', { ...EMBEDDED, host: 'tandem.example' }],
  ])('include no one %s', async (_, config) => {
    await start(config);
    expect(await all()).toEqual([]);
  });

  it('are not created again after an administrator has disabled or deleted the demonstration user', async () => {
    await start({ ...EMBEDDED, ...ADMIN });
    await test.database.query("UPDATE users SET disabled_at = now() WHERE username_key = 'test'");
    await start({ ...EMBEDDED, ...ADMIN });
    expect(await users.checkPassword('test', 'test123')).toMatchObject({ cause: 'disabled' });
    await test.database.query("DELETE FROM users WHERE username_key = 'test'");
    await start({ ...EMBEDDED, ...ADMIN });
    expect(await all()).toEqual([['Root', 'admin']]);
  });

  it('include the administrator of the environment, whose password no later start changes', async () => {
    await start({ ...ELSEWHERE, ...ADMIN });
    expect(await all()).toEqual([['Root', 'admin']]);
    await start({ ...ELSEWHERE, adminUsername: 'root', adminPassword: 'another horse battery staple' });
    await start({ ...ELSEWHERE, adminUsername: 'second', adminPassword: 'weak' });
    expect(await all()).toEqual([['Root', 'admin']]);
    expect(await users.checkPassword('root', ADMIN.adminPassword)).toMatchObject({ outcome: 'ok' });
  });

  it('include an administrator if the only one is disabled', async () => {
    await start({ ...ELSEWHERE, ...ADMIN });
    await test.database.query('UPDATE users SET disabled_at = now()');
    await start({ ...ELSEWHERE, ...ADMIN, adminUsername: 'second' });
    expect(await all()).toEqual([
      ['Root', 'admin'],
      ['second', 'admin'],
    ]);
  });

  it('are created and audited once if ten nodes start at once', async () => {
    await Promise.all(Array.from({ length: 10 }, () => start({ ...EMBEDDED, ...ADMIN })));
    expect(await all()).toEqual([
      ['Root', 'admin'],
      ['test', 'user'],
    ]);
    expect(await test.database.query("SELECT 1 FROM audit_events WHERE event = 'user'")).toHaveLength(2);
  });

  it.each([
    ['weak', 'Root', 'hunter2', ['ADMIN_PASSWORD']],
    ['missing', 'Root', undefined, ['ADMIN_PASSWORD']],
    ['its own name', 'my-very-own-username', 'My-Very-Own-Username', ['ADMIN_PASSWORD']],
    ['weak, and a bad name', 'two words', 'hunter2', ['ADMIN_USERNAME', 'ADMIN_PASSWORD']],
  ])(
    'prevent the start if the password of the administrator is %s',
    async (_, adminUsername, adminPassword, faults) => {
      const fault = await start({ ...EMBEDDED, adminUsername, adminPassword }).catch(
        (error: unknown) => error,
      );
      expect(fault).toBeInstanceOf(ConfigurationError);
      expect((fault as ConfigurationError).faults.map((line) => /^\w+/.exec(line)?.[0])).toEqual(faults);
      if (adminPassword !== undefined) expect(String(fault)).not.toContain(adminPassword);
      expect(await all()).toEqual([]);
    },
  );

  it('prevent the start if another user has the name of the administrator', async () => {
    await start(EMBEDDED);
    await expect(start({ ...EMBEDDED, ...ADMIN, adminUsername: 'TEST' })).rejects.toThrow(/^ADMIN_USERNAME/);
    expect(await all()).toEqual([['test', 'user']]);
  });

  it.each(['127.0.0.1', '127.0.0.2', '::1', 'localhost'])('include it on %s', async (host) => {
    await start({ ...EMBEDDED, host });
    expect(await all()).toEqual([['test', 'user']]);
  });

  /** The missing users that the startup log names. */
  const missing = async (config: Partial<Config>) =>
    (
      await new FirstUsersService(store, hasher, policy, new AdminRole('admin'), config as Config).missing()
    ).map(
      (line) =>
        /^There is no (demonstration user|active administrator) ?[^\n]*npm run admin -- users create/.exec(
          line,
        )?.[1],
    );

  it('that are missing are listed with the way to create them', async () => {
    const beyond = { ...EMBEDDED, host: '0.0.0.0' };
    const production = { production: true, databaseUrl: 'postgres://db.example/tandem', host: '0.0.0.0' };
    expect(await missing(production)).toEqual(['active administrator']);
    expect(await missing(beyond)).toEqual(['demonstration user', 'active administrator']);
    await start(EMBEDDED);
    expect(await missing(beyond)).toEqual(['active administrator']);
    await start({ ...beyond, ...ADMIN });
    expect(await missing(beyond)).toEqual([]);
    await test.database.query("UPDATE users SET disabled_at = now() WHERE role = 'admin'");
    expect(await missing(production)).toEqual(['active administrator']);
  });

  it('are created without logging their passwords', async () => {
    const written = [vi.spyOn(process.stdout, 'write'), vi.spyOn(process.stderr, 'write')];
    await start({ ...EMBEDDED, ...ADMIN });
    const text = written.flatMap((spy) => spy.mock.calls.map(([chunk]) => String(chunk))).join('');
    for (const spy of written) spy.mockRestore();
    expect(text).not.toMatch(/test123|battery/);
  });
});
