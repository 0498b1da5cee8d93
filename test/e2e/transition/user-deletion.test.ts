import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { bearer, login, post, sql, tokensOf, tryRefresh, verify } from '../../helpers/client.js';
import { storeSession } from './revocations.js';
import { SECRET, bySession, sidIn, sessionLogin, verifySession } from './session-client.js';
import { exchange } from './session-nodes.js';

let node: TestApp;
let root: ReturnType<typeof bearer>;
beforeAll(async () => {
  node = await createTestApp({ env: { SESSION_SECRET: SECRET } });
  root = bearer((await login(node)).access_token);
});
afterAll(() => node.close());

describe('the deletion of a user', () => {
  it('ends the sessions for good: not even a later user with the same external id gets one that the product writes back', async () => {
    const external_id = `shop-${randomUUID()}x`;
    const create = async () =>
      (await post(node, '/admin/users', { username: external_id, external_id }, root)).json<{ id: string }>()
        .id;
    const id = await create();
    const sess = JSON.stringify({ cookie: { originalMaxAge: 3_600_000 }, userId: external_id });
    const [linked, alone] = [await storeSession(node, sess), await storeSession(node, sess)];
    const tokens = tokensOf(await exchange(node, linked));
    for (const cookie of [linked, alone]) expect(await verifySession(node, cookie)).toBe('204');

    const removed = await node.app.inject({ method: 'DELETE', url: `/admin/users/${id}`, ...root });
    expect(removed.statusCode).toBe(204);
    for (const cookie of [linked, alone])
      expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    expect(await verify(node, tokens.access_token)).toBe('401 token_revoked');
    expect((await tryRefresh(node, tokens.refresh_token)).statusCode).toBe(401);
    const rows = await sql(node, 'SELECT 1 FROM session WHERE sid = ANY ($1)', [
      [sidIn(linked), sidIn(alone)],
    ]);
    expect(rows).toEqual([]);

    const next = await create();
    expect(next).not.toBe(id);
    for (const cookie of [linked, alone]) {
      await sql(node, `INSERT INTO session VALUES ($1, $2, now() + interval '1 hour')`, [
        sidIn(cookie),
        sess,
      ]);
      expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    }
    expect(await verifySession(node, await storeSession(node, sess))).toBe('204');
  });
});

describe('an upsert', () => {
  it('takes an administrator by session, with the check of other sites, unless a service client calls', async () => {
    const cookie = await sessionLogin(node, {
      id: '',
      username: 'root',
      password: 'a long enough pass phrase',
    });
    const made = await post(node, '/admin/clients', { name: 'shop', scopes: ['users'] }, root);
    const { client_id, client_secret } = made.json<{ client_id: string; client_secret: string }>();
    const basic = `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`;
    const call = (headers: Record<string, string>) => {
      const username = `u-${randomUUID()}`;
      const url = `/admin/users/by-external-id/${username}x`;
      return bySession(node, cookie, { method: 'PUT', url, payload: { username }, headers });
    };
    expect((await call({})).statusCode).toBe(201);
    const evil = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
    expect((await call(evil)).json()).toMatchObject({ status: 403, code: 'cross_site_request' });
    expect((await call({ ...evil, authorization: basic })).statusCode).toBe(201);
    const wrong = `Basic ${Buffer.from(`${client_id}:wrong`).toString('base64')}`;
    expect((await call({ authorization: wrong })).json()).toMatchObject({
      status: 401,
      code: 'invalid_client',
    });
  });
});
