import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdoptionService } from '../../../src/transition/accounts/adoption.service.js';
import { UsersSourceCheck } from '../../../src/transition/accounts/users-source.check.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, login, post, refresh, sql, tryLogin, tryRefresh } from '../../helpers/client.js';
import { change, hashOf, productNode, productSession, signUp, stored } from './product-users.js';
import { SECRET, statusOf, verifySession } from './session-client.js';

describe('a product that hands its users over', () => {
  let node: TestApp;
  beforeAll(async () => {
    node = await productNode();
  });
  afterAll(() => node.close());

  const adopt = async () => {
    const adoption = node.app.get(AdoptionService);
    return adoption.adopt(await adoption.allIds(), () => undefined);
  };

  it('copies all users, and nobody notices when the settings are removed', async () => {
    const known = await signUp(node);
    const unknown = await signUp(node);
    const silent = await signUp(node, { hash: 'no hash at all' });
    const local = await aUser(node);
    await signUp(node, { login: local.username });
    const tokens = await login(node, { ...known, id: '' });
    const cookie = await productSession(node, known.id);
    expect(await verifySession(node, cookie)).toBe('204');
    const first = await adopt();
    expect(first).toMatchObject({ adopted: 4, missing: 0, failed: {}, unusable_password: 1 });
    expect(first.other_name).toHaveLength(1);
    // Repeating it changes nothing.
    expect(await adopt()).toEqual(first);
    // A password that changes after the copy is copied, too.
    await change(node, known, 'hash = $2', [hashOf('changed meanwhile')]);
    expect(statusOf(await tryRefresh(node, tokens.refresh_token))).toBe('401 refresh_token_revoked');
    const renewed = { ...known, id: '', password: 'changed meanwhile' };
    const last = await login(node, renewed);
    const after = await createTestApp({ db: node.db, env: { SESSION_SECRET: SECRET } });
    try {
      const next = await refresh(after, last.refresh_token);
      await login(after, renewed);
      expect(statusOf(await tryLogin(after, { ...known, id: '' }))).toBe('401 invalid_credentials');
      await login(after, { ...unknown, id: '' });
      await login(after, local);
      expect(statusOf(await tryLogin(after, { ...silent, id: '' }))).toBe('401 invalid_credentials');
      const reply = await post(
        after,
        '/auth/password',
        { current_password: renewed.password, new_password: 'a phrase of their own choice' },
        bearer(next.access_token),
      );
      expect(reply.statusCode).toBe(204);
    } finally {
      await after.close();
    }
  });

  it('counts users without a row, and changes nothing for them', async () => {
    const user = await signUp(node);
    expect(await verifySession(node, await productSession(node, user.id))).toBe('204');
    await sql(node, `DELETE FROM product.accounts WHERE id = $1`, [user.id]);
    expect(await adopt()).toMatchObject({ missing: 1 });
    expect(await stored(node, user.id)).toMatchObject({ disabled: false });
  });

  it('has a doctor who names columns that are missing, ignored or do not exist', async () => {
    const doctor = async (byId?: string) => {
      const at = await productNode({
        db: node.db,
        env: byId === undefined ? {} : { USERS_SOURCE_BY_ID: byId },
      });
      try {
        await sql(node, `UPDATE source_state SET faults = '{}'`);
        return (await at.app.get(UsersSourceCheck).examine()).map(
          ({ level, message }) => `${level} ${message}`,
        );
      } finally {
        await at.close();
      }
    };
    expect(await doctor()).toEqual(['ok both queries work']);
    expect(
      await doctor(`SELECT id AS external_id, login AS name FROM product.accounts WHERE id = $1`),
    ).toEqual([
      'warn USERS_SOURCE_BY_ID returns no password_hash',
      'warn USERS_SOURCE_BY_ID returns columns that are ignored: name',
    ]);
    expect(
      (await doctor(`SELECT id AS external_id, nothing FROM product.accounts WHERE id = $1`)).join(),
    ).toMatch(/^fail the source does not answer: /);
  });
});

describe('PASSWORD_LOGIN=off', () => {
  let node: TestApp;
  beforeAll(async () => {
    node = await createTestApp({ env: { SESSION_SECRET: SECRET, PASSWORD_LOGIN: 'off' } });
  });
  afterAll(() => node.close());

  it('answers 404 to everybody but administrators, as an unknown route does', async () => {
    const user = await aUser(node);
    const without = (body: string) => ({ ...(JSON.parse(body) as object), request_id: '', detail: '' });
    const unknown = await post(node, '/auth/nothing', { username: 'a', password: 'b' });
    for (const reply of [
      await tryLogin(node, user),
      await tryLogin(node, { ...user, password: 'wrong' }),
      await tryLogin(node, { ...user, username: 'nobody' }),
      await tryLogin(node, { id: '', username: 'root', password: 'wrong' }),
      await post(node, '/auth/login', { username: 5 }),
      await post(node, '/api/login', { username: user.username, password: user.password }),
      await post(node, '/api/login', { username: 'root', password: 'a long enough pass phrase' }),
    ]) {
      expect(reply.statusCode).toBe(404);
      expect(reply.headers['content-type']).toBe(unknown.headers['content-type']);
      expect(without(reply.body)).toEqual(without(unknown.body));
    }
    await login(node);
  });

  it('counts the attempts of everybody, with the right password, too', async () => {
    const user = await aUser(node);
    const strict = await createTestApp({
      db: node.db,
      env: { SESSION_SECRET: SECRET, PASSWORD_LOGIN: 'off', AUTH_RATE_LIMIT: '3' },
    });
    try {
      const statuses: number[] = [];
      for (let count = 1; count <= 4; count += 1)
        statuses.push((await tryLogin(strict, user, { remoteAddress: `192.0.2.${count}` })).statusCode);
      expect(statuses).toEqual([404, 404, 404, 429]);
    } finally {
      await strict.close();
    }
  });
});
