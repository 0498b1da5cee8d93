import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import {
  ROOT,
  aUser,
  bearer,
  codeOf,
  login,
  post,
  refresh,
  sql,
  tryLogin,
  tryRefresh,
  verify,
} from '../helpers/client.js';
import type { Account } from '../helpers/client.js';

const NEXT = 'quite another pass phrase';

describe('POST /auth/password', () => {
  let node: TestApp;
  let user: Account;
  beforeAll(async () => {
    node = await createTestApp();
  });
  afterAll(() => node.close());

  async function change(accessToken: string, next = NEXT, current = user.password) {
    return post(
      node,
      '/auth/password',
      { current_password: current, new_password: next },
      bearer(accessToken),
    );
  }

  it("changes the password and revokes every other family, but not the caller's own", async () => {
    user = await aUser(node);
    const [mine, other] = [await login(node, user), await login(node, user)];
    expect((await change(mine.access_token)).statusCode).toBe(204);
    expect(await verify(node, mine.access_token)).toBe('204');
    expect(await verify(node, other.access_token)).toBe('401 token_revoked');
    expect(codeOf(await tryRefresh(node, other.refresh_token))).toBe('refresh_token_revoked');
    const next = await refresh(node, mine.refresh_token);
    expect(await verify(node, next.access_token)).toBe('204');
    expect((await tryLogin(node, user)).statusCode).toBe(401);
    expect((await tryLogin(node, { ...user, password: NEXT })).statusCode).toBe(200);
    const events = await sql(
      node,
      `SELECT cause FROM audit_events WHERE event = 'user' AND user_id = $1 AND cause = 'password'`,
      [user.id],
    );
    expect(events).toHaveLength(1);
  });

  it('refuses a wrong current password, and changes nothing', async () => {
    user = await aUser(node);
    const [mine, other] = [await login(node, user), await login(node, user)];
    const reply = await change(mine.access_token, NEXT, 'not the password');
    expect([reply.statusCode, codeOf(reply)]).toEqual([401, 'invalid_credentials']);
    expect(reply.headers['www-authenticate']).toMatch(/^Bearer realm="/);
    expect(reply.headers['cache-control']).toBe('no-store');
    expect(await verify(node, other.access_token)).toBe('204');
    expect((await tryLogin(node, user)).statusCode).toBe(200);
  });

  it.each([
    ['too short', 'fourteen chars'],
    ['a common one twice', 'passwordpassword'],
    ['a sequence', '1234567890123456'],
    ['a repetition', 'aaaaaaaaaaaaaaaaaaaa'],
  ])('refuses a weak password and revokes nothing: %s', async (_, weak) => {
    user = await aUser(node);
    const [mine, other] = [await login(node, user), await login(node, user)];
    const reply = await change(mine.access_token, weak);
    expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'password_too_weak']);
    expect(reply.json()).toMatchObject({ errors: [{ field: 'new_password' }] });
    expect(reply.body).not.toContain(weak);
    expect(await verify(node, other.access_token)).toBe('204');
  });

  it('needs an access token', async () => {
    const reply = await post(node, '/auth/password', { current_password: 'x', new_password: NEXT });
    expect([reply.statusCode, codeOf(reply)]).toEqual([401, 'token_missing']);
  });
});

describe('guesses of the current password', () => {
  const LIMIT = 3;
  let node: TestApp;
  beforeAll(async () => {
    node = await createTestApp({ env: { AUTH_RATE_LIMIT: String(LIMIT), TRUST_PROXY: '127.0.0.1' } });
  });
  afterAll(() => node.close());

  let addresses = 0;
  const somewhere = () => ({ 'x-forwarded-for': `198.51.100.${++addresses}` });

  it('are limited for each device, over all addresses', async () => {
    const user = await anyUser();
    const [stolen, own] = await Promise.all([
      login(node, user, { headers: somewhere() }),
      login(node, user, { headers: somewhere() }),
    ]);
    const change = async (token: string, current: string) => {
      const payload = { current_password: current, new_password: NEXT };
      const headers = { ...somewhere(), ...bearer(token).headers };
      return (await post(node, '/auth/password', payload, { headers })).statusCode;
    };
    for (let guess = 0; guess < LIMIT; guess++)
      expect(await change(stolen.access_token, `guess ${guess}`)).toBe(401);
    expect(await change(stolen.access_token, 'one more')).toBe(429);
    expect(await change(stolen.access_token, user.password)).toBe(429);
    // The owner is on another device.
    expect(await change(own.access_token, user.password)).toBe(204);
  });

  /** Made without the calls that are limited here. */
  async function anyUser(): Promise<Account> {
    const { access_token } = await login(node, ROOT, { headers: somewhere() });
    const account = { username: 'someone', password: 'the pass phrase of someone' };
    const reply = await post(node, '/admin/users', account, bearer(access_token));
    return { ...account, id: reply.json<{ id: string }>().id };
  }
});
