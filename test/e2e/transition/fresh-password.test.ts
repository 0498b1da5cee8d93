import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CleanUpJob } from '../../../src/operations/clean-up.job.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, codeOf, login, sidOf, sql } from '../../helpers/client.js';
import type { Account, Reply, Tokens } from '../../helpers/client.js';
import { bySession, cookieFor, sessionLogin } from './session-client.js';

const DAY = 86_400_000;

const inDays = (days: number) => new Date(Date.now() + days * DAY).toISOString();

describe('a fresh password', () => {
  let node: TestApp;
  let admin: Account;
  beforeAll(async () => {
    // Otherwise a session of the product does not sign an administrator in.
    node = await createTestApp({
      env: { SESSION_SECRET: 'of a test', USERS_SOURCE_MAY_MAKE_ADMINS: 'true' },
    });
    admin = await aUser(node, { role: 'admin' });
  });
  afterAll(() => node.close());

  const answer = (reply: Reply) => [reply.statusCode, codeOf(reply)].filter((part) => part !== undefined);
  const REQUIRED = [403, 'fresh_password_required'];

  const createClient = (cookie: string) =>
    bySession(node, cookie, { method: 'POST', url: '/admin/clients', payload: { name: 'a service' } });
  const reauthenticate = (cookie: string, password = admin.password, headers = {}) =>
    bySession(node, cookie, { method: 'POST', url: '/auth/reauthenticate', payload: { password }, headers });
  const sixMinutesPass = async () => {
    await sql(node, `UPDATE session_password_proofs SET proved_at = proved_at - interval '6 minutes'`);
    await sql(node, `UPDATE refresh_tokens SET password_at = password_at - interval '6 minutes'`);
  };

  it('belongs to the session whose login proved it, for five minutes', async () => {
    const cookie = await sessionLogin(node, admin);
    expect((await createClient(cookie)).statusCode).toBe(201);
    await sixMinutesPass();
    const other = await sessionLogin(node, admin);
    expect(answer(await createClient(cookie))).toEqual(REQUIRED);
    expect((await createClient(other)).statusCode).toBe(201);
    expect(answer(await reauthenticate(cookie, 'wrong'))).toEqual([401, 'invalid_credentials']);
    expect(answer(await reauthenticate(cookie))).toEqual([204]);
    expect((await createClient(cookie)).statusCode).toBe(201);
  });

  it('is not known of a session that the product has opened, until it is proved here', async () => {
    await sql(
      node,
      `INSERT INTO session (sid, sess, expire) VALUES ('of-the-product', json_build_object('userId', $1::text), now() + interval '1 day')`,
      [admin.id],
    );
    const cookie = cookieFor('of-the-product');
    expect(answer(await createClient(cookie))).toEqual(REQUIRED);
    expect(answer(await reauthenticate(cookie))).toEqual([204]);
    expect((await createClient(cookie)).statusCode).toBe(201);
  });

  it('cannot be proved by a page of another site', async () => {
    const cookie = await sessionLogin(node, admin);
    const reply = await reauthenticate(cookie, admin.password, { origin: 'https://evil.example' });
    expect(answer(reply)).toEqual([403, 'cross_site_request']);
  });

  it('is shared by a session and the family that it was exchanged for', async () => {
    const cookie = await sessionLogin(node, admin);
    const exchange = { method: 'POST', url: '/auth/exchange', payload: {} } as const;
    const tokens = (await bySession(node, cookie, exchange)).json<Tokens>();
    const byToken = () =>
      node.app.inject({
        method: 'POST',
        url: '/admin/clients',
        payload: { name: 'a service' },
        ...bearer(tokens.access_token),
      });
    expect((await byToken()).statusCode).toBe(201);
    await sixMinutesPass();
    expect(answer(await byToken())).toEqual(REQUIRED);
    expect(answer(await createClient(cookie))).toEqual(REQUIRED);
    expect(answer(await reauthenticate(cookie))).toEqual([204]);
    expect((await byToken()).statusCode).toBe(201);
    await sixMinutesPass();
    const reply = await node.app.inject({
      method: 'POST',
      url: '/auth/reauthenticate',
      payload: { password: admin.password },
      ...bearer(tokens.access_token),
    });
    expect(reply.statusCode).toBe(204);
    expect((await createClient(cookie)).statusCode).toBe(201);
  });

  it('is forgotten by the clean-up when it is not fresh any more', async () => {
    await sessionLogin(node, admin);
    const proofs = () => sql(node, `SELECT 1 FROM session_password_proofs`);
    await node.app.get(CleanUpJob).run();
    expect(await proofs()).not.toEqual([]);
    await sixMinutesPass();
    await node.app.get(CleanUpJob).run();
    expect(await proofs()).toEqual([]);
  });

  describe('is needed for a sunset within a day', () => {
    let tokens: Tokens;
    beforeEach(async () => {
      tokens = await login(node, admin);
      await change({ phase: 'gradual_rollout', percentage: 100, sunset_at: null });
    });

    async function change(payload: object, url = '/admin/rollout'): Promise<unknown[]> {
      const method = url === '/admin/rollout' ? 'PATCH' : 'POST';
      return answer(await node.app.inject({ method, url, payload, ...bearer(tokens.access_token) }));
    }

    const stale = () =>
      sql(node, `UPDATE refresh_tokens SET password_at = now() - interval '6 minutes' WHERE id = $1`, [
        sidOf(tokens),
      ]);

    it('and for a sunset in the past or the last phase, but not for later ones', async () => {
      await stale();
      for (const payload of [
        { phase: 'deprecation_notice', sunset_at: inDays(0.9) },
        { sunset_at: inDays(-1) },
        { phase: 'sessions_removed' },
      ])
        expect(await change(payload)).toEqual(REQUIRED);
      expect(await change({ phase: 'deprecation_notice', sunset_at: inDays(1.1) })).toEqual([200]);
      expect(await change({ sunset_at: inDays(0.5) })).toEqual(REQUIRED);
      expect(await change({ percentage: 50 })).toEqual([200]);
    });

    it('but not to change something else afterwards, or to postpone it', async () => {
      expect(await change({ phase: 'deprecation_notice', sunset_at: inDays(0.5) })).toEqual([200]);
      await stale();
      expect(await change({ percentage: 50 })).toEqual([200]);
      expect(await change({ sunset_at: inDays(0.6) })).toEqual(REQUIRED);
      expect(await change({ sunset_at: inDays(2) })).toEqual([200]);
      expect(await change({}, '/admin/rollout/rollback')).toEqual(REQUIRED);
      expect(await change({ phase: 'gradual_rollout' })).toEqual([200]);
    });
  });

  it('lets a bulk revocation count sessions as well', async () => {
    const { access_token } = await login(node, admin);
    // The tests above lower the percentage.
    const payload = { phase: 'gradual_rollout', percentage: 100, sunset_at: null };
    const changed = await node.app.inject({
      method: 'PATCH',
      url: '/admin/rollout',
      payload,
      ...bearer(access_token),
    });
    expect(changed.statusCode).toBe(200);
    const user = await aUser(node);
    await sessionLogin(node, user);
    await login(node, user);
    const revoke = (expected_count: number) =>
      node.app.inject({
        method: 'POST',
        url: '/admin/tokens/revoke',
        payload: { user_ids: [user.id], expected_count },
        ...bearer(access_token),
      });
    expect(answer(await revoke(1))).toEqual([409, 'more_than_expected']);
    expect((await revoke(2)).json()).toEqual({ revoked: 2 });
  });
});
