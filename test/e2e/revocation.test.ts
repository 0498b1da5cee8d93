import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RevocationService } from '../../src/tokens/families/revocation.service.js';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import {
  aUser,
  bearer,
  codeOf,
  get,
  login,
  post,
  refresh,
  tryLogin,
  tryRefresh,
  until,
  verify,
} from '../helpers/client.js';
import type { Account, Tokens } from '../helpers/client.js';

const SECOND = 1000;
const NEXT = 'quite another pass phrase';

describe('a revocation answered by one node', () => {
  let node: TestApp;
  let other: TestApp;
  let user: Account;
  beforeAll(async () => {
    node = await createTestApp();
    other = await createTestApp({ db: node.db });
  });
  afterAll(async () => {
    await other.close();
    await node.close();
  });

  /** A family whose access token both nodes have accepted, so that they have it in their caches. */
  async function aKnownLogin(account = user): Promise<Tokens> {
    const tokens = await login(node, account);
    expect(await verify(node, tokens.access_token)).toBe('204');
    expect(await verify(other, tokens.access_token)).toBe('204');
    return tokens;
  }

  const endings: [string, (tokens: Tokens, account: Account) => Promise<number>][] = [
    [
      'a logout',
      async ({ access_token }) =>
        (await post(node, '/auth/logout', undefined, bearer(access_token))).statusCode,
    ],
    [
      'a logout by refresh token',
      async ({ refresh_token }) => (await post(node, '/auth/logout', { refresh_token })).statusCode,
    ],
    [
      'a logout everywhere',
      async ({ access_token }) =>
        (await post(node, '/auth/logout-all', undefined, bearer(access_token))).statusCode,
    ],
    [
      'a revoke by an admin',
      async (_, { id }) => {
        const admin = await login(node);
        return (await post(node, `/admin/users/${id}/revoke`, undefined, bearer(admin.access_token)))
          .statusCode;
      },
    ],
    [
      'a password change on another device',
      async (_, account) => {
        const desk = await login(node, account);
        const passwords = { current_password: account.password, new_password: NEXT };
        return (await post(node, '/auth/password', passwords, bearer(desk.access_token))).statusCode;
      },
    ],
    [
      'theft',
      async ({ refresh_token }) => {
        await refresh(node, (await refresh(node, refresh_token)).refresh_token);
        const { statusCode } = await tryRefresh(node, refresh_token);
        return statusCode === 401 ? 200 : statusCode;
      },
    ],
  ];

  it.each(endings)(
    'takes effect on its node at once and on the other node within a second: %s',
    async (_, end) => {
      user = await aUser(node);
      const tokens = await aKnownLogin();
      const status = await end(tokens, user);
      expect([200, 204]).toContain(status);
      expect(await verify(node, tokens.access_token)).toBe('401 token_revoked');
      await until(async () => (await verify(other, tokens.access_token)) === '401 token_revoked', SECOND);
      expect((await tryRefresh(other, tokens.refresh_token)).statusCode).toBe(401);
    },
  );

  it('spares every other family and user', async () => {
    const [one, two] = [await aUser(node), await aUser(node)];
    const [ended, spared, stranger] = [
      await aKnownLogin(one),
      await aKnownLogin(one),
      await aKnownLogin(two),
    ];
    await post(node, '/auth/logout', undefined, bearer(ended.access_token));
    await until(async () => (await verify(other, ended.access_token)) === '401 token_revoked', SECOND);
    for (const { access_token } of [spared, stranger]) {
      expect(await verify(node, access_token)).toBe('204');
      expect(await verify(other, access_token)).toBe('204');
    }
  });

  it('of a whole user permits a login in the same second on both nodes', async () => {
    user = await aUser(node);
    const before = await aKnownLogin();
    const admin = await login(node);
    const reply = await post(node, `/admin/users/${user.id}/revoke`, undefined, bearer(admin.access_token));
    expect(reply.json()).toEqual({ revoked: 1 });
    const after = await login(other, user);
    expect(await verify(other, after.access_token)).toBe('204');
    expect(await verify(node, after.access_token)).toBe('204');
    await until(async () => (await verify(other, before.access_token)) === '401 token_revoked', SECOND);
    expect(await verify(other, after.access_token)).toBe('204');
    await refresh(node, after.refresh_token);
  });

  it('of a whole user can be repeated, and makes no earlier token valid', async () => {
    user = await aUser(node);
    const admin = bearer((await login(node)).access_token);
    const url = `/admin/users/${user.id}/revoke`;
    const [first, second] = [await aKnownLogin(), await aKnownLogin()];
    expect((await post(node, url, undefined, admin)).json()).toEqual({ revoked: 2 });
    expect((await post(node, url, undefined, admin)).json()).toEqual({ revoked: 0 });
    expect((await post(other, url, undefined, admin)).json()).toEqual({ revoked: 0 });
    await post(node, '/auth/logout', undefined, bearer(first.access_token));
    for (const { access_token } of [first, second]) {
      expect(await verify(node, access_token)).toBe('401 token_revoked');
    }
  });

  it('by a change of role refuses the access tokens and keeps the families', async () => {
    user = await aUser(node);
    const tokens = await aKnownLogin();
    await node.app.get(RevocationService).invalidateAccessTokens(user.id, async (sql) => {
      await sql.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [user.id]);
    });
    expect(await verify(node, tokens.access_token)).toBe('401 token_revoked');
    await until(async () => (await verify(other, tokens.access_token)) === '401 token_revoked', SECOND);
    const next = await refresh(node, tokens.refresh_token);
    const reply = await get(other, '/auth/verify', next.access_token);
    expect([reply.statusCode, reply.headers['x-auth-role']]).toEqual([204, 'admin']);
  });

  it('of a disabled user looks like a wrong password at the next login', async () => {
    user = await aUser(node);
    await node.db.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]);
    const reply = await tryLogin(other, user);
    expect([reply.statusCode, codeOf(reply)]).toEqual([401, 'invalid_credentials']);
  });

  it('is not undone by a refresh that is in progress', async () => {
    for (let round = 0; round < 10; round++) {
      const tokens = await login(node);
      const [refreshed, loggedOut] = await Promise.all([
        tryRefresh(other, tokens.refresh_token),
        post(node, '/auth/logout', { refresh_token: tokens.refresh_token }),
      ]);
      expect(loggedOut.statusCode).toBe(204);
      if (refreshed.statusCode === 401) continue;
      const next = refreshed.json<Tokens>();
      expect(await verify(node, next.access_token)).toBe('401 token_revoked');
      expect(codeOf(await tryRefresh(node, next.refresh_token))).toBe('refresh_token_revoked');
    }
  });

  it('revokes a family that is being created at the same time', async () => {
    user = await aUser(node);
    const admin = bearer((await login(node)).access_token);
    for (let round = 0; round < 5; round++) {
      const [opened, revoked] = await Promise.all([
        tryLogin(other, user),
        post(node, `/admin/users/${user.id}/revoke`, undefined, admin),
      ]);
      expect([opened.statusCode, revoked.statusCode]).toEqual([200, 200]);
      const { access_token } = opened.json<Tokens>();
      // Whether the login began before or after the revocation, both nodes give the same answer.
      const verdict = await verify(node, access_token);
      await until(async () => (await verify(other, access_token)) === verdict, SECOND);
      expect((await tryRefresh(node, opened.json<Tokens>().refresh_token)).statusCode === 200).toBe(
        verdict === '204',
      );
    }
  });
});

describe('a node that starts after a revocation', () => {
  it('refuses the revoked token from its first answer on', async () => {
    const node = await createTestApp();
    const ended = await login(node);
    const revoked = await login(node, await aUser(node));
    const { sub } = decodeJwt(revoked.access_token);
    const admin = bearer((await login(node)).access_token);
    await post(node, '/auth/logout', undefined, bearer(ended.access_token));
    await post(node, `/admin/users/${sub}/revoke`, undefined, admin);
    const late = await createTestApp({ db: node.db });
    try {
      expect(await verify(late, ended.access_token)).toBe('401 token_revoked');
      expect(await verify(late, revoked.access_token)).toBe('401 token_revoked');
      expect((await get(late, '/auth/verify', admin.headers.authorization.slice(7))).statusCode).toBe(204);
    } finally {
      await late.close();
      await node.close();
    }
  });
});
