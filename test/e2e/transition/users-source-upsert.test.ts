import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, login, post, refresh, sql, tryLogin, tryRefresh } from '../../helpers/client.js';
import { hashOf, productNode, signUp, stored } from './product-users.js';
import { statusOf } from './session-client.js';

describe('an upsert while the product owns the users', () => {
  let node: TestApp;
  let headers: Record<string, string>;
  beforeAll(async () => {
    node = await productNode();
    const root = bearer((await login(node)).access_token);
    const made = (await post(node, '/admin/clients', { name: 'shop', scopes: ['users'] }, root)).json<
      Record<string, string>
    >();
    const pair = Buffer.from(`${made['client_id']}:${made['client_secret']}`).toString('base64');
    headers = { authorization: `Basic ${pair}` };
  });
  afterAll(() => node.close());

  const put = (externalId: number | string, payload: object) =>
    node.app.inject({
      method: 'PUT',
      url: `/admin/users/by-external-id/${externalId}`,
      payload,
      headers,
    });

  it('answers 409 to a password, for a new user and for a known one, and changes nothing', async () => {
    const known = await signUp(node);
    const { refresh_token } = await login(node, { ...known, id: '' });
    const before = await stored(node, known.id);
    const fresh = `new-${randomUUID().slice(0, 8)}`;
    for (const [id, body] of [
      [fresh, { username: fresh, password: `a phrase of ${randomUUID()}` }],
      [fresh, { username: fresh, password: null }],
      [known.id, { password: `a phrase of ${randomUUID()}`, email: 'new@example.com' }],
      [known.id, { password: null }],
    ] as const)
      expect(statusOf(await put(id, body))).toBe('409 password_managed_elsewhere');
    expect(statusOf(await put(known.id, { password: null, password_hash: null }))).toBe(
      '400 validation_failed',
    );
    expect(await stored(node, fresh)).toBeUndefined();
    expect(await stored(node, known.id)).toEqual(before);
    await refresh(node, refresh_token);
  });

  it('takes everything but a password, and the next query brings back what the product says', async () => {
    const user = await signUp(node, { mail: 'of-the-product@example.com' });
    const created = await put(user.id, { username: `other-${randomUUID()}`, email: 'early@example.com' });
    expect(created.statusCode).toBe(201);
    await login(node, { ...user, id: '' });
    expect(await stored(node, user.id)).toMatchObject({
      username: user.username,
      email: 'of-the-product@example.com',
    });
  });

  it('cannot bring back a password that the product has replaced', async () => {
    const user = await signUp(node);
    const { refresh_token } = await login(node, { ...user, id: '' });
    const [row] = await sql<{ hash: string }>(node, `SELECT hash FROM product.accounts WHERE id = $1`, [
      user.id,
    ]);
    await sql(node, `UPDATE product.accounts SET hash = $2 WHERE id = $1`, [user.id, hashOf('the new one')]);
    expect((await put(user.id, { password_hash: row!.hash })).statusCode).toBe(200);
    expect(statusOf(await tryLogin(node, { ...user, id: '' }))).toBe('401 invalid_credentials');
    expect(statusOf(await tryRefresh(node, refresh_token))).toBe('401 refresh_token_revoked');
    await login(node, { ...user, id: '', password: 'the new one' });
  });

  it('does not let an administrator set the password of such a user, but that of a local one', async () => {
    const user = await signUp(node);
    await login(node, { ...user, id: '' });
    const local = await aUser(node);
    const admin = bearer((await login(node)).access_token);
    const patch = (id: string) =>
      node.app.inject({
        method: 'PATCH',
        url: `/admin/users/${id}`,
        payload: { password: `a phrase of ${randomUUID()}` },
        ...admin,
      });
    expect(statusOf(await patch((await stored(node, user.id))!.id))).toBe('409 password_managed_elsewhere');
    expect((await patch(local.id)).statusCode).toBe(200);
  });
});
