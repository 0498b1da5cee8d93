import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, get, login, post, sql } from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';
import { SECRET, bySession, cookieFor, verifySession } from './session-client.js';
import { exchange, withRollout } from './session-nodes.js';

/** As SQL Server and .NET write a UUID, and a mixture. */
const SPELLINGS: readonly (readonly [string, (id: string) => string])[] = [
  ['capitals', (id) => id.toUpperCase()],
  ['both', (id) => id.slice(0, 18).toUpperCase() + id.slice(18)],
];

describe('a session that has its user’s id in capitals', () => {
  let node: TestApp;
  let admin: { headers: { authorization: string } };
  beforeAll(async () => {
    node = await createTestApp({ env: { SESSION_SECRET: SECRET } });
    admin = bearer((await login(node)).access_token);
  });
  afterAll(() => node.close());

  /** A user whose id has letters. */
  async function lettered(): Promise<Account> {
    const user = await aUser(node);
    return /[a-f]/.test(user.id.slice(0, 18)) ? user : lettered();
  }

  async function sessionOf(userId: string): Promise<string> {
    const sid = randomUUID();
    const sess = JSON.stringify({ cookie: { path: '/' }, userId });
    await sql(node, `INSERT INTO session VALUES ($1, $2::json, now() + interval '1 hour')`, [sid, sess]);
    return cookieFor(sid);
  }

  it.each(SPELLINGS)(
    'belongs to that user, and is revoked with the user’s sessions: %s',
    async (_, spell) => {
      const user = await lettered();
      const [one, two, linked] = await Promise.all([1, 2, 3].map(() => sessionOf(spell(user.id))));
      const me = await bySession(node, one!, { url: '/api/users/me' });
      expect(me.json()).toMatchObject({ id: user.id });
      const tokens = (await exchange(node, linked!)).json<{ access_token: string }>();
      const reply = await post(node, `/admin/users/${spell(user.id)}/revoke`, undefined, admin);
      // The third and its login are one.
      expect([reply.statusCode, reply.json()]).toEqual([200, { revoked: 3 }]);
      for (const cookie of [one!, two!, linked!])
        expect(await verifySession(node, cookie)).toBe('401 session_invalid');
      expect((await get(node, '/auth/verify', tokens.access_token)).statusCode).toBe(401);
    },
  );

  it.each(SPELLINGS)('is revoked with its linked family: %s', async (_, spell) => {
    const cookie = await sessionOf(spell((await lettered()).id));
    const { access_token } = (await exchange(node, cookie)).json<{ access_token: string }>();
    expect((await get(node, '/auth/verify', access_token)).statusCode).toBe(204);
    expect((await post(node, '/auth/logout', undefined, bearer(access_token))).statusCode).toBe(204);
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
  });

  it('is not confused with an external id, which is case-sensitive', async () => {
    const user = await aUser(node);
    const external = `X-${randomUUID()}`.toUpperCase();
    await sql(node, `UPDATE users SET external_id = $2 WHERE id = $1`, [user.id, external]);
    const [exact, other] = [await sessionOf(external), await sessionOf(external.toLowerCase())];
    expect(await verifySession(node, exact)).toBe('204');
    expect(await verifySession(node, other)).toBe('401 session_invalid');
    const reply = await post(node, `/admin/users/${user.id}/revoke`, undefined, admin);
    expect(reply.json()).toEqual({ revoked: 1 });
    expect(await verifySession(node, exact)).toBe('401 session_invalid');
  });

  it('is eligible if the rollout lists that user in capitals', async () => {
    const user = await lettered();
    const change = { phase: 'internal_beta', roles: [], user_ids: [user.id.toUpperCase()] };
    const cookie = await sessionOf(user.id.toUpperCase());
    const other = await sessionOf((await lettered()).id.toUpperCase());
    await withRollout(node, change, async () => {
      const eligible = async (by: string) =>
        (await bySession(node, by, { url: '/auth/migration' })).json<{ eligible: boolean }>().eligible;
      expect([await eligible(cookie), await eligible(other)]).toEqual([true, false]);
    });
  });
});
