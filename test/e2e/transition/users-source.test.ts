import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestApp } from '../../helpers/app.js';
import {
  ROOT,
  aUser,
  bearer,
  codeOf,
  everyRow,
  get,
  login,
  post,
  refresh,
  sql,
  tokensOf,
  tryLogin,
  tryRefresh,
  verify,
} from '../../helpers/client.js';
import {
  change,
  hashOf,
  productNode,
  productSession,
  signUp,
  stored,
  withoutSource,
} from './product-users.js';
import { bySession, statusOf, verifySession } from './session-client.js';
import { exchange } from './session-nodes.js';

describe('a product that owns its users', () => {
  let node: TestApp;
  let other: TestApp;
  beforeAll(async () => {
    node = await productNode();
    other = await productNode({ db: node.db });
  });
  afterAll(async () => {
    await other.close();
    await node.close();
  });

  it('lets its users log in with its passwords, and Tandem stores no hash of them', async () => {
    const user = await signUp(node, { mail: 'ada@example.com' });
    const { access_token } = tokensOf(await tryLogin(node, { ...user, id: '' }));
    const me = (await get(node, '/api/users/me', access_token)).json();
    expect(me).toMatchObject({ username: user.username, role: 'user' });
    expect(await stored(node, user.id)).toMatchObject({ password_hash: null, email: 'ada@example.com' });
    const hash = (
      await sql<{ hash: string }>(node, `SELECT hash FROM product.accounts WHERE id = $1`, [user.id])
    )[0]!;
    expect((await everyRow(node)).join('\n')).not.toContain(hash.hash);
    expect(codeOf(await tryLogin(node, { ...user, id: '', password: 'wrong' }))).toBe('invalid_credentials');
  });

  it('finds users by the name as it was typed, and never merges names that differ in capitals', async () => {
    const name = `Case-${randomUUID()}`;
    const first = await signUp(node, { login: name });
    const second = await signUp(node, { login: name.toUpperCase() });
    for (const user of [first, second]) tokensOf(await tryLogin(node, { ...user, id: '' }));
    const rows = [await stored(node, first.id), await stored(node, second.id)];
    expect(rows[0]!.id).not.toBe(rows[1]!.id);
    expect(rows.map((row) => row!.username)).toEqual([name, `user-${rows[1]!.id}`]);
    expect(statusOf(await tryLogin(node, { ...first, id: '', username: name.toLowerCase() }))).toBe(
      '401 invalid_credentials',
    );
  });

  it('tries local users first, and never changes them', async () => {
    const local = await aUser(node);
    const namesake = await signUp(node, { login: local.username });
    expect(statusOf(await tryLogin(node, { ...namesake, id: '' }))).toBe('401 invalid_credentials');
    const { access_token } = await login(node, local);
    const change_ = { current_password: local.password, new_password: `another phrase of ${randomUUID()}` };
    expect((await post(node, '/auth/password', change_, bearer(access_token))).statusCode).toBe(204);
    // The product's user comes in by session and gets a name of their own.
    const cookie = await productSession(node, namesake.id);
    const me = (await bySession(node, cookie, { url: '/api/users/me' })).json<{ id: string }>();
    expect(me.id).not.toBe(local.id);
  });

  it('manages the passwords of its users: /auth/password answers 409', async () => {
    const user = await signUp(node);
    const { access_token } = tokensOf(await tryLogin(node, { ...user, id: '' }));
    const body = { current_password: user.password, new_password: `another phrase of ${randomUUID()}` };
    const reply = await post(node, '/auth/password', body, bearer(access_token));
    expect(statusOf(reply)).toBe('409 password_managed_elsewhere');
    const admin = bearer((await login(node)).access_token);
    const patch = await node.app.inject({
      method: 'PATCH',
      url: `/admin/users/${(await stored(node, user.id))!.id}`,
      payload: { password: body.new_password },
      ...admin,
    });
    expect(statusOf(patch)).toBe('409 password_managed_elsewhere');
  });

  it('makes a user known with the first use of a session', async () => {
    const user = await signUp(node);
    const cookie = await productSession(node, user.id);
    expect(await verifySession(node, cookie)).toBe('204');
    const tokens = tokensOf(await exchange(node, cookie));
    const me = (await get(node, '/api/users/me', tokens.access_token)).json();
    expect(me).toMatchObject({ username: user.username });
    const unknown = await productSession(node, 2_000_000_000);
    expect(await verifySession(node, unknown)).toBe('401 session_invalid');
    for (const odd of ['ada', '99999999999999999999', '-', '1.5'])
      expect(await verifySession(node, await productSession(node, odd))).toBe('401 session_invalid');
  });

  it('creates one user for simultaneous first uses on two nodes', async () => {
    const user = await signUp(node);
    const cookie = await productSession(node, user.id);
    const nodes = Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? node : other));
    const answers = await Promise.all(nodes.map((at) => verifySession(at, cookie)));
    expect(new Set(answers)).toEqual(new Set(['204']));
  });

  it('ends every login with a new password, at the next refresh', async () => {
    const user = { ...(await signUp(node)), id: 0 };
    const [row] = await sql<{ id: number }>(node, `SELECT id FROM product.accounts WHERE login = $1`, [
      user.username,
    ]);
    const account = { ...user, id: '' };
    const first = await login(node, account);
    const second = await login(other, account);
    const cookie = await productSession(node, row!.id);
    expect(await verifySession(node, cookie)).toBe('204');
    const next = await refresh(node, first.refresh_token);
    await sql(node, `UPDATE product.accounts SET hash = $2 WHERE id = $1`, [
      row!.id,
      hashOf('a new pass phrase'),
    ]);
    expect(statusOf(await tryRefresh(node, next.refresh_token))).toBe('401 refresh_token_revoked');
    expect(await verify(node, second.access_token)).toBe('401 token_revoked');
    expect(statusOf(await tryRefresh(other, second.refresh_token))).toBe('401 refresh_token_revoked');
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    expect(statusOf(await tryLogin(node, account))).toBe('401 invalid_credentials');
    await login(node, { ...account, password: 'a new pass phrase' });
  });

  it('ends every login when somebody logs in with the new password', async () => {
    const user = await signUp(node);
    const before = await login(node, { ...user, id: '' });
    await change(node, user, 'hash = $2', [hashOf('a new pass phrase')]);
    await login(other, { ...user, id: '', password: 'a new pass phrase' });
    expect(statusOf(await tryRefresh(node, before.refresh_token))).toBe('401 refresh_token_revoked');
  });

  it('does not end logins if the hash was made anew but the password has not changed', async () => {
    const user = await signUp(node);
    await change(node, user, `changed = '2026-01-01'`);
    const before = await login(node, { ...user, id: '' });
    await change(node, user, 'hash = $2', [hashOf(user.password, 1_001)]);
    const after = await refresh(node, before.refresh_token);
    await change(node, user, `hash = $2, changed = '2026-01-02'`, [hashOf('another')]);
    expect(statusOf(await tryRefresh(node, after.refresh_token))).toBe('401 refresh_token_revoked');
  });

  it('refuses every credential of a disabled user from the next query on, until the user is enabled', async () => {
    const user = await signUp(node);
    const tokens = await login(node, { ...user, id: '' });
    const cookie = await productSession(node, user.id);
    await change(node, user, 'banned = true');
    expect(statusOf(await tryRefresh(node, tokens.refresh_token))).toBe('401 refresh_token_revoked');
    expect(await verify(node, tokens.access_token)).toBe('401 token_revoked');
    expect(await verifySession(other, cookie)).toBe('401 session_invalid');
    expect(statusOf(await tryLogin(node, { ...user, id: '' }))).toBe('401 invalid_credentials');
    await change(node, user, 'banned = false');
    const fresh = await productSession(node, user.id);
    expect(await verifySession(other, fresh)).toBe('204');
    await login(node, { ...user, id: '' });
  });

  it('ends every login of a user without a row', async () => {
    const user = await signUp(node);
    const tokens = await login(node, { ...user, id: '' });
    await sql(node, `DELETE FROM product.accounts WHERE id = $1`, [user.id]);
    expect(statusOf(await tryRefresh(node, tokens.refresh_token))).toBe('401 refresh_token_revoked');
    expect(await stored(node, user.id)).toMatchObject({ disabled: true });
  });

  it('does not let an exchange begin for a user who was disabled a moment ago', async () => {
    const user = await signUp(node);
    const cookie = await productSession(node, user.id);
    expect(await verifySession(node, cookie)).toBe('204');
    await change(node, user, 'banned = true');
    expect(statusOf(await exchange(node, cookie))).toBe('401 session_invalid');
  });

  it('keeps an administrator out of the reach of the product', async () => {
    const user = await signUp(node, { role: 'admin' });
    tokensOf(await tryLogin(node, { ...user, id: '' }));
    expect(await stored(node, user.id)).toMatchObject({ role: 'user' });
    const chief = await aUser(node, { role: 'admin' });
    await sql(node, `UPDATE users SET external_id = $2 WHERE id = $1`, [
      chief.id,
      String(user.id + 1_000_000),
    ]);
    await sql(node, `INSERT INTO product.accounts (id, login, hash) VALUES ($1, 'mallory', $2)`, [
      user.id + 1_000_000,
      hashOf('of the product'),
    ]);
    expect(statusOf(await tryLogin(node, { id: '', username: 'mallory', password: 'of the product' }))).toBe(
      '401 invalid_credentials',
    );
    const tokens = await login(node, chief);
    await sql(node, `UPDATE product.accounts SET banned = true, role = 'user' WHERE login = 'mallory'`);
    await refresh(node, tokens.refresh_token);
    expect(await stored(node, user.id + 1_000_000)).toMatchObject({
      username: chief.username,
      role: 'admin',
      disabled: false,
    });
  });

  it('answers 503 and ends nothing while the source fails', async () => {
    const user = await signUp(node);
    const tokens = await login(node, { ...user, id: '' });
    const cookie = await productSession(node, user.id);
    await withoutSource(node, async () => {
      const replies = [
        await tryRefresh(node, tokens.refresh_token),
        await tryLogin(node, { ...user, id: '' }),
        await exchange(node, cookie),
      ];
      for (const reply of replies) {
        expect(statusOf(reply)).toBe('503 service_unavailable');
        expect(reply.headers['retry-after']).toBe('1');
      }
      // Requests with a token ask nobody.
      expect(await verify(node, tokens.access_token)).toBe('204');
      await login(node, ROOT);
    });
    await refresh(node, tokens.refresh_token);
    tokensOf(await exchange(node, cookie));
  });

  it('follows a user who is renamed, and two users who swap their names', async () => {
    const [one, two] = [await signUp(node), await signUp(node)];
    for (const user of [one, two]) await login(node, { ...user, id: '' });
    await change(node, one, `login = 'in between'`);
    await change(node, two, 'login = $2', [one.username]);
    await change(node, one, 'login = $2', [two.username]);
    const tokens = await login(node, { ...one, id: '', username: two.username });
    const me = (await get(node, '/api/users/me', tokens.access_token)).json<{ id: string }>();
    expect(me.id).toBe((await stored(node, one.id))!.id);
    await login(node, { ...two, id: '', username: one.username });
  });

  it('counts failed logins by the user who was found, whatever the name', async () => {
    await sql(
      node,
      `CREATE VIEW product.by_mail AS SELECT *, unnest(ARRAY[login, mail]) AS name FROM product.accounts`,
    );
    const strict = await productNode({
      db: node.db,
      env: {
        AUTH_RATE_LIMIT: '3',
        USERS_SOURCE_BY_NAME: `SELECT id AS external_id, login AS username, hash AS password_hash FROM product.by_mail WHERE name = $1`,
      },
    });
    try {
      const mail = `${randomUUID()}@example.com`;
      const user = await signUp(node, { mail });
      const from = (remoteAddress: string) => ({ remoteAddress });
      const wrong = (username: string, address: string) =>
        tryLogin(strict, { id: '', username, password: 'wrong' }, from(address));
      expect(statusOf(await wrong(user.username, '192.0.2.1'))).toBe('401 invalid_credentials');
      expect(statusOf(await wrong(user.username, '192.0.2.2'))).toBe('401 invalid_credentials');
      expect(statusOf(await wrong(mail, '192.0.2.3'))).toBe('401 invalid_credentials');
      expect(statusOf(await wrong(mail, '192.0.2.4'))).toBe('429 rate_limited');
    } finally {
      await strict.close();
    }
  });
});
