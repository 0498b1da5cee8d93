import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ServiceChecks } from '../../src/admin/cli/doctor/service.checks.js';
import { NO_ORIGIN } from '../../src/audit/audit-context.js';
import { AdminRoleService } from '../../src/auth/admin-role.service.js';
import { RevocationStore } from '../../src/tokens/feed/revocation.store.js';
import { FirstUsersService } from '../../src/users/first-users.service.js';
import { createTestApp } from '../helpers/app.js';
import type { TestApp, TestAppOptions } from '../helpers/app.js';
import { ROOT, aUser, bearer, codeOf, get, login, refresh, sql, until, verify } from '../helpers/client.js';

let one: TestApp;
let others: TestApp[];

/** Each test changes ADMIN_ROLE, so each gets a database of its own. */
function startForEachTest(): void {
  beforeEach(async () => {
    one = await createTestApp();
    others = [];
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    for (const other of others) await other.close();
    await one.close();
  });
}

async function another(env: TestAppOptions['env'] = {}): Promise<TestApp> {
  const node = await createTestApp({ db: one.db, env });
  others.push(node);
  return node;
}

const roles = (node: TestApp) => node.app.get(AdminRoleService, { strict: false });
const stored = async () =>
  (await sql<{ admin_role: string | null }>(one, 'SELECT admin_role FROM service_state'))[0]!.admin_role;
const access = async (node: TestApp, token: string) => {
  const reply = await get(node, '/admin/users', token);
  return reply.statusCode === 200 ? '200' : `${reply.statusCode} ${codeOf(reply)}`;
};
const setRole = (id: string, role: string) =>
  sql(one, 'UPDATE users SET role = $2 WHERE id = $1', [id, role]);

describe('ADMIN_ROLE', () => {
  startForEachTest();

  it('is stored at the first start, and gives access whatever it is called', async () => {
    expect(await stored()).toBe('admin');
    const own = await createTestApp({ env: { ADMIN_ROLE: 'shift-lead' } });
    others.push(own);
    const { access_token } = await login(own, ROOT);
    expect((await get(own, '/api/users/me', access_token)).json()).toMatchObject({ role: 'shift-lead' });
    expect(await access(own, access_token)).toBe('200');
    const product = await aUser(own, { role: 'admin' });
    expect(await access(own, (await login(own, product)).access_token)).toBe('403 forbidden');
  });

  it('stops the start of a node with another value, with one line, and not without a value', async () => {
    await expect(another({ ADMIN_ROLE: 'manager' })).rejects.toThrow(
      /^ADMIN_ROLE is not the role of administrators in the database: set ADMIN_ROLE=admin[^\n]*$/,
    );
    expect(await stored()).toBe('admin');
    await another();
    await another({ ADMIN_ROLE: 'admin' });
  });

  it('protects the last administrator, whatever the role is called', async () => {
    const own = await createTestApp({ env: { ADMIN_ROLE: 'chief' } });
    others.push(own);
    const { access_token } = await login(own, ROOT);
    const { id } = (await get(own, '/api/users/me', access_token)).json<{ id: string }>();
    for (const payload of [{ role: 'admin' }, { role: 'user' }, { disabled: true }]) {
      const call = { method: 'PATCH', url: `/admin/users/${id}`, payload, ...bearer(access_token) } as const;
      expect(codeOf(await own.app.inject(call))).toBe('last_admin');
    }
  });
});

describe('a change of ADMIN_ROLE', () => {
  startForEachTest();

  it('is one short transaction for thousands of users, and invalidates the tokens of each', async () => {
    const two = await another();
    const manager = await aUser(one, { role: 'manager' });
    const tokens = { root: await login(one), manager: await login(one, manager) };
    await sql(
      one,
      `INSERT INTO users (id, username, username_key, role)
      SELECT gen_random_uuid(), 'many' || n, 'many' || n, 'manager' FROM generate_series(1, 7000) AS n`,
    );
    const added = vi.spyOn(RevocationStore.prototype, 'addUsers');
    const { gained, lost } = await roles(one).change('manager', NO_ORIGIN);
    expect([gained.length, lost.length]).toEqual([7001, 1]);
    expect(added).toHaveBeenCalledTimes(1);
    const [counts] = await sql<{ users: number; entries: number }>(
      one,
      `SELECT (SELECT count(*)::int FROM users WHERE epoch > 0 AND role = 'manager') AS users,
        (SELECT count(*)::int FROM revocations WHERE kind = 'user' AND subject IN (SELECT id FROM users)) AS entries`,
    );
    expect(counts).toEqual({ users: 7001, entries: 7002 });
    for (const { access_token } of [tokens.root, tokens.manager]) {
      expect(await verify(one, access_token)).toBe('401 token_revoked');
      await expect.poll(() => verify(two, access_token)).toBe('401 token_revoked');
    }
  });

  it('gives and takes the rights on every node within a second, and invalidates the access tokens', async () => {
    const two = await another({ ADMIN_ROLE: 'admin' });
    const [manager, plain] = [await aUser(one, { role: 'manager' }), await aUser(one)];
    const before = {
      root: await login(one),
      manager: await login(one, manager),
      plain: await login(one, plain),
    };
    expect(await access(two, before.root.access_token)).toBe('200');
    expect(await access(two, before.manager.access_token)).toBe('403 forbidden');
    const { gained, lost } = await roles(one).change('manager', NO_ORIGIN);
    expect(gained.map(({ id }) => id)).toEqual([manager.id]);
    expect(lost.map(({ username }) => username)).toEqual(['root']);
    for (const name of ['root', 'manager'] as const) {
      expect(await verify(one, before[name].access_token)).toBe('401 token_revoked');
      await until(async () => (await verify(two, before[name].access_token)) === '401 token_revoked', 1_000);
    }
    expect(await verify(two, before.plain.access_token)).toBe('204');
    const after = {
      root: await refresh(two, before.root.refresh_token),
      manager: await refresh(two, before.manager.refresh_token),
    };
    for (const node of [one, two]) {
      expect(await access(node, after.root.access_token)).toBe('403 forbidden');
      expect(await access(node, after.manager.access_token)).toBe('200');
    }
    const [event] = await sql<{ detail: object }>(
      one,
      `SELECT detail FROM audit_events WHERE cause = 'admin_role' ORDER BY id DESC LIMIT 1`,
    );
    expect(event).toEqual({ detail: { from: 'admin', to: 'manager' } });
  });

  it('changes nothing if the role is the same', async () => {
    const { access_token } = await login(one);
    expect(await roles(one).change('admin', NO_ORIGIN)).toEqual({ gained: [], lost: [] });
    expect(await access(one, access_token)).toBe('200');
  });

  it('keeps nodes with the old value running, and stops their next start', async () => {
    const two = await another({ ADMIN_ROLE: 'admin' });
    const manager = await aUser(one, { role: 'manager' });
    await roles(one).change('manager', NO_ORIGIN);
    await until(async () => (await access(two, (await login(two, manager)).access_token)) === '200', 1_000);
    await expect(another({ ADMIN_ROLE: 'admin' })).rejects.toThrow(/^ADMIN_ROLE /);
    await another({ ADMIN_ROLE: 'manager' });
  });

  it('to a role that nobody has leaves no administrator, which the start and the doctor say', async () => {
    await roles(one).change('nobody', NO_ORIGIN);
    const two = await another({ ADMIN_USERNAME: '', ADMIN_PASSWORD: '' });
    expect(await two.app.get(FirstUsersService, { strict: false }).missing()).toEqual([
      expect.stringMatching(/no active administrator.*--role nobody$/),
    ]);
  });
});

describe('a role of administrators that somebody else wrote into the database', () => {
  startForEachTest();

  const forge = () =>
    sql(
      one,
      `UPDATE service_state SET admin_role = 'guest', versions = jsonb_set(versions, '{admin_role}', '1000')`,
    );
  const alarmed = async (node: TestApp) =>
    (await node.app.get(ServiceChecks, { strict: false }).examine()).some(
      ({ check, level, message }) => check === 'rows' && level === 'fail' && message.includes('admin_role'),
    );

  it('is not used by running nodes, and raises an alarm', async () => {
    const two = await another();
    const guest = await aUser(one, { role: 'guest' });
    const [{ access_token }, root] = [await login(one, guest), await login(one)];
    await forge();
    for (const node of [one, two]) {
      await until(() => alarmed(node), 2_000);
      expect(await access(node, access_token)).toBe('403 forbidden');
      expect(await access(node, root.access_token)).toBe('200');
    }
  });

  it('stops the next start, unless ADMIN_ROLE says the right one', async () => {
    await forge();
    await expect(another()).rejects.toThrow(/role of administrators in the database.*set ADMIN_ROLE/);
    await another({ ADMIN_ROLE: 'admin' });
    expect(await stored()).toBe('admin');
    await another();
  });

  it('is not taken with the MAC of another value', async () => {
    const [row] = await sql<{ macs: object }>(one, `SELECT macs -> 'issuer' AS macs FROM service_state`);
    await sql(
      one,
      `UPDATE service_state SET admin_role = 'guest', macs = macs || jsonb_build_object('admin_role', $1::jsonb)`,
      [JSON.stringify(row!.macs ?? {})],
    );
    await expect(another()).rejects.toThrow(/role of administrators/);
  });
});

describe('a role that a product names itself', () => {
  beforeAll(async () => {
    one = await createTestApp();
  });
  afterAll(() => one.close());

  it.each(['manager', 'a', 'shift-lead_2', 'x'.repeat(32)])('is passed on: %s', async (role) => {
    const user = await aUser(one, { role });
    const { access_token } = await login(one, user);
    expect((await get(one, '/auth/verify', access_token)).headers['x-auth-role']).toBe(role);
    const root = bearer((await login(one)).access_token);
    const payload = { role: 'user' };
    const reply = await one.app.inject({ method: 'PATCH', url: `/admin/users/${user.id}`, payload, ...root });
    expect(reply.json()).toMatchObject({ role: 'user' });
    expect(await verify(one, access_token)).toBe('401 token_revoked');
  });

  it.each(['', 'Manager', '1st', '_x', '-x', 'a b', 'é', 'x'.repeat(33)])('is refused: %j', async (role) => {
    const root = bearer((await login(one)).access_token);
    const payload = { username: 'grace', password: 'correct horse battery staple', role };
    const reply = await one.app.inject({ method: 'POST', url: '/admin/users', payload, ...root });
    expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'validation_failed']);
    await expect(setRole('5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10', role)).resolves.toEqual([[], 0]);
  });

  it('selects users for a bulk revocation', async () => {
    const [staff, other] = [await aUser(one, { role: 'staff' }), await aUser(one)];
    const tokens = [await login(one, staff), await login(one, other)];
    const root = await login(one);
    const reply = await one.app.inject({
      method: 'POST',
      url: '/admin/tokens/revoke',
      payload: { role: 'staff' },
      ...bearer(root.access_token),
    });
    expect(reply.json()).toEqual({ revoked: 1 });
    expect(await verify(one, tokens[0]!.access_token)).toBe('401 token_revoked');
    expect(await verify(one, tokens[1]!.access_token)).toBe('204');
  });
});
