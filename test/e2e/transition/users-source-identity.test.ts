import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestApp } from '../../helpers/app.js';
import { get, login, sql, tokensOf, tryLogin, tryRefresh, verify } from '../../helpers/client.js';
import { SOURCE, change, hashOf, productNode, productSession, signUp, stored } from './product-users.js';
import { bySession, statusOf, verifySession } from './session-client.js';
import { exchange } from './session-nodes.js';

describe('who a user of the product is', () => {
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

  it('follows the external id: if two users swap theirs, every earlier login of both ends', async () => {
    const [one, two] = [await signUp(node), await signUp(node)];
    const tokens = [await login(node, { ...one, id: '' }), await login(node, { ...two, id: '' })];
    const cookies = [await productSession(node, one.id), await productSession(node, two.id)];
    for (const cookie of cookies) expect(await verifySession(node, cookie)).toBe('204');
    const move = (from: number, to: number) =>
      sql(node, 'UPDATE product.accounts SET id = $2 WHERE id = $1', [from, to]);
    await move(one.id, 1_000_000);
    await move(two.id, one.id);
    await move(1_000_000, two.id);
    for (const { refresh_token, access_token } of tokens) {
      expect(statusOf(await tryRefresh(node, refresh_token))).toBe('401 refresh_token_revoked');
      expect(await verify(node, access_token)).toBe('401 token_revoked');
    }
    for (const cookie of cookies) expect(await verifySession(other, cookie)).toBe('401 session_invalid');
    const next = await login(node, { ...one, id: '' });
    const me = (await get(node, '/api/users/me', next.access_token)).json<object>();
    expect(me).toMatchObject({ username: one.username, external_id: String(two.id) });
    expect(statusOf(await tryLogin(node, { ...two, id: '', password: one.password }))).toBe(
      '401 invalid_credentials',
    );
  });

  it('is one user for all spellings of a name if the product says so', async () => {
    const byName = SOURCE.USERS_SOURCE_BY_NAME.replace('login = $1', 'lower(login) = lower($1)');
    const lax = await productNode({ db: node.db, env: { USERS_SOURCE_BY_NAME: byName } });
    try {
      const user = await signUp(node, { login: `Grace-${randomUUID()}` });
      const spellings = [user.username, user.username.toUpperCase(), user.username.toLowerCase()];
      for (const username of spellings) await login(lax, { ...user, id: '', username });
      const rows = await sql(node, 'SELECT 1 FROM users WHERE external_id = $1', [String(user.id)]);
      expect(rows).toHaveLength(1);
      expect(await stored(node, user.id)).toMatchObject({ username: user.username });
      // Two users differ in capitals only: the product does not say who is meant.
      await signUp(node, { login: user.username.toLowerCase() });
      expect(statusOf(await tryLogin(lax, { ...user, id: '' }))).toBe('503 service_unavailable');
    } finally {
      await lax.close();
    }
  });

  it('is nobody if the query by name finds a row whose id the query by id does not find', async () => {
    const odd = await productNode({
      db: node.db,
      env: { USERS_SOURCE_BY_ID: `${SOURCE.USERS_SOURCE_BY_ID.slice(0, -1)} AND login <> 'ghost'` },
    });
    try {
      const ghost = await signUp(node, { login: 'ghost' });
      expect(statusOf(await tryLogin(odd, { ...ghost, id: '' }))).toBe('503 service_unavailable');
      expect(await stored(node, ghost.id)).toBeUndefined();
    } finally {
      await odd.close();
    }
  });

  it('ends the sessions that began before Tandem noticed a new password, and none after that', async () => {
    const user = await signUp(node);
    const old = await productSession(node, user.id);
    expect(await verifySession(node, old)).toBe('204');
    const linked = tokensOf(await exchange(node, old));
    await change(node, user, 'hash = $2, changed = now()', [hashOf('a new pass phrase')]);
    // Nothing shows that this one began with the new password.
    const early = await productSession(node, user.id);
    expect(statusOf(await exchange(node, early))).toBe('401 session_invalid');
    expect(statusOf(await tryRefresh(other, linked.refresh_token))).toBe('401 refresh_token_revoked');
    const late = await productSession(node, user.id);
    expect(await verifySession(other, late)).toBe('204');
    const tokens = tokensOf(await exchange(node, late));
    expect(await verify(node, tokens.access_token)).toBe('204');
    const me = (await bySession(other, late, { url: '/api/users/me' })).json<object>();
    expect(me).toMatchObject({ username: user.username });
  });
});
