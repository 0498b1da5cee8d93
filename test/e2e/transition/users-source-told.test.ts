import { hash } from '@node-rs/bcrypt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestApp } from '../../helpers/app.js';
import { bearer, get, login, post, refresh, tokensOf, tryLogin, tryRefresh } from '../../helpers/client.js';
import type { Reply } from '../../helpers/client.js';
import {
  change,
  hashOf,
  productNode,
  productSession,
  signUp,
  stored,
  withoutSource,
} from './product-users.js';
import { statusOf, verifySession } from './session-client.js';
import { exchange } from './session-nodes.js';

describe('a product that tells Tandem of a changed user', () => {
  let node: TestApp;
  let other: TestApp;
  let headers: Record<string, string>;
  beforeAll(async () => {
    node = await productNode();
    other = await productNode({ db: node.db });
    const root = bearer((await login(node)).access_token);
    const reply = await post(node, '/admin/clients', { name: 'shop', scopes: ['users'] }, root);
    const client = reply.json<Record<string, string>>();
    const pair = Buffer.from(`${client['client_id']}:${client['client_secret']}`).toString('base64');
    headers = { authorization: `Basic ${pair}` };
  });
  afterAll(async () => {
    await other.close();
    await node.close();
  });

  const upsert = (id: number, payload: object, at = node): Promise<Reply> =>
    at.app.inject({ method: 'PUT', url: `/admin/users/by-external-id/${id}`, payload, headers });

  it('ends what the old password began, and never what begins after its answer', async () => {
    const user = await signUp(node);
    const account = { ...user, id: '' };
    const before = await login(node, account);
    const session = await productSession(node, user.id);
    expect(await verifySession(other, session)).toBe('204');
    await change(node, user, `hash = $2, changed = now()`, [hashOf('a new pass phrase')]);
    expect((await upsert(user.id, {})).statusCode).toBe(200);
    expect(await verifySession(other, session)).toBe('401 session_invalid');
    expect(statusOf(await tryRefresh(other, before.refresh_token))).toBe('401 refresh_token_revoked');
    expect(statusOf(await tryLogin(other, account))).toBe('401 invalid_credentials');

    const next = await productSession(node, user.id);
    for (const at of [node, other]) expect(await verifySession(at, next)).toBe('204');
    // An exchange and a refresh ask the source again, on a node that has not asked since.
    const tokens = tokensOf(await exchange(other, next));
    await refresh(other, tokens.refresh_token);
    expect(await verifySession(node, next)).toBe('204');
  });

  it('takes the hash from the product and stores none, whatever the upsert says', async () => {
    const user = await signUp(node);
    const { refresh_token } = await login(node, { ...user, id: '' });
    const late = await hash('a password of long ago', 4);
    expect((await upsert(user.id, { password_hash: late, version: 1 })).statusCode).toBe(200);
    expect(await stored(node, user.id)).toMatchObject({ password_hash: null });
    expect(statusOf(await tryLogin(node, { ...user, id: '', password: 'a password of long ago' }))).toBe(
      '401 invalid_credentials',
    );
    await refresh(node, refresh_token);
    expect(statusOf(await upsert(user.id, { password_hash: 'of an unknown kind' }))).toBe(
      '400 validation_failed',
    );
  });

  it('creates a user whom the product has just signed up, with the fields of the product', async () => {
    const user = await signUp(node, { mail: 'new@example.com' });
    expect((await upsert(user.id, {})).statusCode).toBe(201);
    expect((await upsert(user.id, {})).statusCode).toBe(200);
    expect(await stored(node, user.id)).toMatchObject({ username: user.username, email: 'new@example.com' });
    const { access_token } = await login(node, { ...user, id: '' });
    expect((await get(node, '/api/users/me', access_token)).json()).toMatchObject({
      external_id: String(user.id),
    });
  });

  it('refuses a user whom the product has disabled, from its answer on', async () => {
    const user = await signUp(node);
    const session = await productSession(node, user.id);
    expect(await verifySession(other, session)).toBe('204');
    await change(node, user, 'banned = true');
    expect((await upsert(user.id, { disabled: true })).statusCode).toBe(200);
    expect(await verifySession(other, session)).toBe('401 session_invalid');
    await change(node, user, 'banned = false');
    expect((await upsert(user.id, {})).statusCode).toBe(200);
    await login(other, { ...user, id: '' });
  });

  it('gets 503 while the product cannot be asked, and can repeat the call', async () => {
    const user = await signUp(node);
    const { refresh_token } = await login(node, { ...user, id: '' });
    await withoutSource(node, async () => {
      const reply = await upsert(user.id, {});
      expect(statusOf(reply)).toBe('503 service_unavailable');
      expect(reply.headers['retry-after']).toBe('1');
    });
    expect((await upsert(user.id, {})).statusCode).toBe(200);
    await refresh(node, refresh_token);
  });

  it('is refused if neither it nor the product says who the user is', async () => {
    expect(statusOf(await upsert(2_000_000_000, {}))).toBe('400 validation_failed');
    expect(await stored(node, 2_000_000_000)).toBeUndefined();
  });
});
