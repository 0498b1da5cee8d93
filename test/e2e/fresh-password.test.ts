import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { UserService } from '../../src/users/user.service.js';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, bearer, codeOf, get, login, post, refresh, sidOf, sql } from '../helpers/client.js';
import type { Account, Reply, Tokens } from '../helpers/client.js';

const REQUIRED = [403, 'fresh_password_required'];

const NEW_PASSWORD = 'a quite different pass phrase';

const BCRYPT = `$2b$04$${'a'.repeat(53)}`;

describe('an action that needs a fresh password', () => {
  let node: TestApp;
  let admin: Account;
  let user: Account;
  let tokens: Tokens;
  beforeAll(async () => {
    node = await createTestApp();
    admin = await aUser(node, { role: 'admin' });
    user = await aUser(node);
  });
  afterAll(() => node.close());
  beforeEach(async () => {
    tokens = await login(node, admin);
  });
  afterEach(() => vi.restoreAllMocks());

  const call = (
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    url: string,
    payload?: object,
    by = tokens,
  ): Promise<Reply> =>
    node.app.inject({
      method,
      url,
      ...(payload === undefined ? {} : { payload }),
      ...bearer(by.access_token),
    });

  const reauthenticate = (password: string, by = tokens) =>
    call('POST', '/auth/reauthenticate', { password }, by);

  const minutesPass = (minutes: number, by = tokens) =>
    sql(
      node,
      `UPDATE refresh_tokens SET password_at = password_at - make_interval(secs => $2::float8 * 60) WHERE id = $1`,
      [sidOf(by), minutes],
    );

  const answer = (reply: Reply) => [reply.statusCode, codeOf(reply)];
  const createClient = (by = tokens) => call('POST', '/admin/clients', { name: 'a service' }, by);

  it('is refused five minutes after the login, and nothing changes', async () => {
    const client = (await createClient()).json<{ id: string }>().id;
    const { keys } = (await get(node, '/admin/keys', tokens.access_token)).json<{
      keys: { kid: string }[];
    }>();
    await minutesPass(6);
    const calls = [
      ['DELETE', `/admin/keys/${keys[0]!.kid}`],
      ['POST', '/admin/tokens/revoke', { user_ids: [user.id] }],
      ['POST', '/admin/clients', { name: 'another service' }],
      ['POST', `/admin/clients/${client}/secret`],
      ['PATCH', `/admin/users/${user.id}`, { password: 'a quite different pass phrase', role: 'admin' }],
      ['PUT', '/admin/users/by-external-id/nobody-yet', { username: 'nobody-yet', password: NEW_PASSWORD }],
      ['PUT', '/admin/users/by-external-id/nobody-yet', { username: 'nobody-yet', password_hash: BCRYPT }],
    ] as const;
    for (const [method, url, body] of calls) {
      const reply = await call(method, url, body);
      expect(answer(reply), url).toEqual(REQUIRED);
      expect(reply.headers['x-auth-error']).toBe('fresh_password_required');
      expect(reply.json<{ detail: string }>().detail).toContain('POST /auth/reauthenticate');
    }
    await login(node, user);
    expect((await get(node, '/admin/keys', tokens.access_token)).json()).toEqual({ keys, next_cursor: null });
    const { users } = (await get(node, `/admin/users?query=${user.username}`, tokens.access_token)).json<{
      users: { role: string }[];
    }>();
    expect(users[0]!.role).toBe('user');
    const created = await sql(node, `SELECT 1 FROM users WHERE external_id = 'nobody-yet'`);
    expect(created).toEqual([]);
  });

  it('is allowed until five minutes have passed', async () => {
    await minutesPass(4.9);
    expect((await createClient()).statusCode).toBe(201);
    await minutesPass(0.2);
    expect(answer(await createClient())).toEqual(REQUIRED);
  });

  it('is allowed after the password was proved again, by this login only', async () => {
    const other = await login(node, admin);
    for (const one of [tokens, other]) await minutesPass(6, one);
    expect(answer(await reauthenticate('not the password'))).toEqual([401, 'invalid_credentials']);
    expect(answer(await createClient())).toEqual(REQUIRED);
    const reply = await reauthenticate(admin.password);
    expect([reply.statusCode, reply.body]).toEqual([204, '']);
    expect((await createClient()).statusCode).toBe(201);
    expect(answer(await createClient(other))).toEqual(REQUIRED);
    const client = (await createClient()).json<{ id: string }>().id;
    expect((await call('POST', `/admin/clients/${client}/secret`)).statusCode).toBe(200);
    expect((await call('PATCH', `/admin/users/${user.id}`, { password: user.password })).statusCode).toBe(
      200,
    );
    expect((await call('POST', '/admin/tokens/revoke', { user_ids: [user.id] })).statusCode).toBe(200);
  });

  it('is not allowed by the password of another user who has got the name of the caller meanwhile', async () => {
    await minutesPass(6);
    const users = node.app.get(UserService, { strict: false });
    const find = users.find.bind(users);
    // As if both had been renamed after the caller was found.
    vi.spyOn(users, 'find').mockImplementationOnce(async (id) => {
      const found = await find(id);
      return found && Object.assign(found, { username: user.username });
    });
    expect(answer(await reauthenticate(user.password))).toEqual([401, 'invalid_credentials']);
    expect(answer(await createClient())).toEqual(REQUIRED);
  });

  it('is not allowed by a refresh, but by a change of the own password', async () => {
    await minutesPass(6);
    const refreshed = await refresh(node, tokens.refresh_token);
    expect(answer(await createClient(refreshed))).toEqual(REQUIRED);
    const change = { current_password: admin.password, new_password: 'yet another good pass phrase' };
    expect((await call('POST', '/auth/password', change, refreshed)).statusCode).toBe(204);
    admin = { ...admin, password: change.new_password };
    expect((await createClient(refreshed)).statusCode).toBe(201);
  });

  it('is refused to families from before the upgrade, and to everybody who is no administrator', async () => {
    await sql(node, `UPDATE refresh_tokens SET password_at = NULL WHERE id = $1`, [sidOf(tokens)]);
    expect(answer(await createClient())).toEqual(REQUIRED);
    const theirs = await login(node, user);
    expect((await reauthenticate(user.password, theirs)).statusCode).toBe(204);
    expect(answer(await createClient(theirs))).toEqual([403, 'forbidden']);
  });

  it('leaves other administrative calls alone', async () => {
    await minutesPass(60);
    expect((await call('POST', '/admin/keys/rotate')).statusCode).toBe(200);
    expect((await call('PATCH', `/admin/users/${user.id}`, { email: 'a@example.com' })).statusCode).toBe(200);
    for (const body of [undefined, [], ['password']])
      expect((await call('PATCH', `/admin/users/${user.id}`, body)).statusCode).toBe(400);
    expect((await call('POST', `/admin/users/${user.id}/revoke`)).statusCode).toBe(200);
  });

  it('is not prepared by a malformed or anonymous call', async () => {
    for (const payload of [
      undefined,
      {},
      { password: '' },
      { password: 1 },
      { password: 'x', username: 'y' },
    ])
      expect(answer(await call('POST', '/auth/reauthenticate', payload))).toEqual([400, 'validation_failed']);
    const anonymous = await post(node, '/auth/reauthenticate', { password: admin.password });
    expect(answer(anonymous)).toEqual([401, 'token_missing']);
    await sql(node, `UPDATE users SET disabled_at = now() WHERE id = $1`, [user.id]);
    const disabled = await reauthenticate(user.password);
    expect(answer(disabled)).toEqual([401, 'invalid_credentials']);
    await sql(node, `UPDATE users SET disabled_at = NULL WHERE id = $1`, [user.id]);
  });
});

describe('POST /auth/reauthenticate', () => {
  let node: TestApp;
  beforeAll(async () => {
    node = await createTestApp({ env: { AUTH_RATE_LIMIT: '3' } });
  });
  afterAll(() => node.close());

  it('counts by address and, if the password is wrong, by device', async () => {
    const [one, two] = [await login(node), await login(node)];
    const from = (remoteAddress: string, { access_token }: Tokens, password: string) =>
      post(node, '/auth/reauthenticate', { password }, { ...bearer(access_token), remoteAddress });
    const statuses = async (tokens: Tokens, ...addresses: string[]) => {
      const seen: number[] = [];
      for (const address of addresses) seen.push((await from(address, tokens, 'wrong')).statusCode);
      return seen;
    };
    expect(await statuses(one, '192.0.2.1', '192.0.2.1', '192.0.2.2')).toEqual([401, 401, 401]);
    const refused = await from('192.0.2.3', one, 'a long enough pass phrase');
    expect([refused.statusCode, codeOf(refused)]).toEqual([429, 'rate_limited']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await from('192.0.2.1', two, 'a long enough pass phrase')).statusCode).toBe(204);
    expect((await from('192.0.2.1', two, 'a long enough pass phrase')).statusCode).toBe(429);
  });
});

describe('a bulk revocation with expected_count', () => {
  let node: TestApp;
  beforeAll(async () => {
    node = await createTestApp();
  });
  afterAll(() => node.close());

  it('revokes nobody if more would end, and everybody otherwise', async () => {
    const user = await aUser(node);
    const { access_token } = await login(node);
    const theirs = [await login(node, user), await login(node, user), await login(node, user)];
    const revoke = (body: object) => post(node, '/admin/tokens/revoke', body, bearer(access_token));
    const live = async () =>
      (await Promise.all(theirs.map((one) => get(node, '/auth/verify', one.access_token)))).filter(
        ({ statusCode }) => statusCode === 204,
      ).length;
    const before = { issued_before: '2999-01-01T00:00:00Z', role: 'user' };
    for (const filter of [{ user_ids: [user.id] }, before]) {
      const reply = await revoke({ ...filter, expected_count: 2 });
      expect([reply.statusCode, codeOf(reply)]).toEqual([409, 'more_than_expected']);
    }
    expect(await live()).toBe(3);
    for (const expected_count of [-1, 1.5, '3', null])
      expect((await revoke({ user_ids: [user.id], expected_count })).statusCode).toBe(400);
    expect((await revoke({ expected_count: 3 })).statusCode).toBe(400);
    expect((await revoke({ user_ids: [user.id], expected_count: 3 })).json()).toEqual({ revoked: 3 });
    expect(await live()).toBe(0);
    expect((await revoke({ user_ids: [user.id], expected_count: 0 })).json()).toEqual({ revoked: 0 });
    const calls = await sql(
      node,
      `SELECT detail -> 'revoked' AS revoked, detail -> 'complete' AS complete, detail -> 'expected_count' AS expected
       FROM audit_events WHERE event = 'revoke' AND cause = 'bulk' ORDER BY id`,
    );
    expect(calls).toEqual([
      { revoked: 0, complete: false, expected: 2 },
      { revoked: 0, complete: false, expected: 2 },
      { revoked: 3, complete: true, expected: 3 },
      { revoked: 0, complete: true, expected: 0 },
    ]);
  });
});
