import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { AdminRoleService } from '../../../src/auth/admin-role.service.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { ROOT, aUser, bearer, login, sql, tokensOf, tryRefresh, verify } from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';
import {
  SECRET,
  bySession,
  cookieFor,
  sessionLogin,
  sidIn,
  statusOf,
  verifySession,
} from './session-client.js';

const env = { SESSION_SECRET: SECRET };
let node: TestApp;
let permissive: TestApp;
let root: string;
beforeAll(async () => {
  node = await createTestApp({ env });
  permissive = await createTestApp({ env: { ...env, USERS_SOURCE_MAY_MAKE_ADMINS: 'true' }, db: node.db });
  [{ id: root }] = (await sql<{ id: string }>(node, `SELECT id FROM users WHERE username = 'root'`)) as [
    { id: string },
  ];
});
afterAll(async () => {
  await permissive.close();
  await node.close();
});

/** What an SQL injection in the product can write: a session row that names any user. */
async function forged(name: string): Promise<string> {
  const sid = randomUUID();
  const sess = JSON.stringify({ cookie: { path: '/' }, userId: name });
  await sql(node, `INSERT INTO session VALUES ($1, $2::json, now() + interval '1 hour')`, [sid, sess]);
  return cookieFor(sid);
}

const exchange = (cookie: string, by = node) =>
  bySession(by, cookie, { method: 'POST', url: '/auth/exchange', payload: {} });
async function setRole(user: Pick<Account, 'id'>, role: string): Promise<void> {
  const { access_token } = await login(node);
  const reply = await node.app.inject({
    method: 'PATCH',
    url: `/admin/users/${user.id}`,
    payload: { role },
    ...bearer(access_token),
  });
  expect(reply.statusCode).toBe(200);
}

describe('a session that the product wrote', () => {
  it('signs in no administrator, by id or by external id', async () => {
    for (const cookie of [await forged(root), await forged(root.toUpperCase())]) {
      expect(await verifySession(node, cookie)).toBe('401 session_invalid');
      expect(statusOf(await exchange(cookie))).toBe('401 session_invalid');
      expect(statusOf(await bySession(node, cookie, { url: '/admin/users' }))).toBe('401 session_invalid');
    }
    const chief = await aUser(node, { role: 'admin' });
    await sql(node, `UPDATE users SET external_id = 'chief-1' WHERE id = $1`, [chief.id]);
    expect(await verifySession(node, await forged('chief-1'))).toBe('401 session_invalid');
  });

  it('signs in every other user, also one whose role is called like an administrator elsewhere', async () => {
    for (const role of ['user', 'superuser', 'root'])
      expect(await verifySession(node, await forged((await aUser(node, { role })).id))).toBe('204');
  });

  it('signs in an administrator if USERS_SOURCE_MAY_MAKE_ADMINS is true', async () => {
    const cookie = await forged(root);
    expect(await verifySession(permissive, cookie)).toBe('204');
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
  });

  it('signs its user in no longer once the user is an administrator', async () => {
    const user = await aUser(node);
    const cookie = await forged(user.id);
    expect(await verifySession(node, cookie)).toBe('204');
    await setRole(user, 'admin');
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    await setRole(user, 'user');
    expect(await verifySession(node, cookie)).toBe('204');
  });

  it('gives no tokens to a user who has become an administrator since the exchange', async () => {
    const user = await aUser(node);
    const tokens = tokensOf(await exchange(await forged(user.id)));
    await setRole(user, 'admin');
    expect(await verify(node, tokens.access_token)).toBe('401 token_revoked');
    expect(statusOf(await tryRefresh(node, tokens.refresh_token))).toBe('401 refresh_token_revoked');
  });
});

describe('a session that Tandem began', () => {
  it('signs in an administrator, and can be exchanged and downgraded to', async () => {
    const cookie = await sessionLogin(node, ROOT);
    expect(statusOf(await bySession(node, cookie, { url: '/admin/users' }))).toBe('200');
    const tokens = tokensOf(await exchange(cookie));
    const next = tokensOf(await tryRefresh(node, tokens.refresh_token));
    const payload = { refresh_token: next.refresh_token };
    const reply = await node.app.inject({ method: 'POST', url: '/auth/downgrade', payload });
    const value = reply.cookies.find(({ name }) => name === 'session_id')!.value;
    const session = `session_id=${encodeURIComponent(value)}`;
    expect(statusOf(await bySession(node, session, { url: '/admin/users' }))).toBe('200');
  });

  it('continues after its user has become an administrator', async () => {
    const user = await aUser(node);
    const cookie = await sessionLogin(node, user);
    await setRole(user, 'admin');
    expect(statusOf(await bySession(node, cookie, { url: '/admin/users' }))).toBe('200');
  });

  it('is no proof for another user, whatever the product writes into its row', async () => {
    const user = await aUser(node);
    const cookie = await sessionLogin(node, user);
    await sql(
      node,
      `UPDATE session SET sess = jsonb_set(sess::jsonb, '{userId}', to_jsonb($2::text))::json WHERE sid = $1`,
      [sidIn(cookie), root],
    );
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
  });

  it('is no proof for another session', async () => {
    const own = await sessionLogin(node, ROOT);
    const other = await forged(root);
    await sql(
      node,
      `INSERT INTO session_fates (sid, user_id, begun_macs) SELECT $2, user_id, begun_macs FROM session_fates WHERE sid = $1`,
      [sidIn(own), sidIn(other)],
    );
    expect(await verifySession(node, other)).toBe('401 session_invalid');
    expect(await verifySession(node, own)).toBe('204');
  });

  it('proves nothing after its proof was removed or replaced', async () => {
    for (const macs of [null, {}, { x: 'y' }, 'text', []]) {
      const cookie = await sessionLogin(node, ROOT);
      await sql(node, 'UPDATE session_fates SET begun_macs = $2::jsonb WHERE sid = $1', [
        sidIn(cookie),
        macs === null ? null : JSON.stringify(macs),
      ]);
      expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    }
  });
});

it('judges live sessions anew after a change of ADMIN_ROLE', async () => {
  const manager = await aUser(node, { role: 'manager' });
  const [product, own] = [await forged(manager.id), await sessionLogin(node, manager)];
  const rootsProduct = await forged(root);
  const roles = node.app.get(AdminRoleService, { strict: false });
  await roles.change('manager', NO_ORIGIN);
  try {
    expect(await verifySession(node, product)).toBe('401 session_invalid');
    expect(statusOf(await bySession(node, own, { url: '/admin/users' }))).toBe('200');
    expect(await verifySession(node, rootsProduct)).toBe('204');
    expect(statusOf(await bySession(node, rootsProduct, { url: '/admin/users' }))).toBe('403 forbidden');
  } finally {
    await roles.change('admin', NO_ORIGIN);
  }
});
