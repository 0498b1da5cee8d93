import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TestApp } from '../../helpers/app.js';
import {
  aUser,
  bearer,
  codeOf,
  login,
  post,
  refresh,
  refreshCookie,
  sidOf,
  sql,
  tokensOf,
  tryRefresh,
  until,
  verify,
} from '../../helpers/client.js';
import type { Account, Tokens } from '../../helpers/client.js';
import {
  NAME,
  bySession,
  cookieFor,
  sessionLogin,
  sidIn,
  statusOf,
  verifySession,
} from './session-client.js';
import { exchange, sessionNodes, withRollout, withStrictNode } from './session-nodes.js';
import type { SessionNodes } from './session-nodes.js';

describe('POST /auth/exchange', () => {
  let nodes: SessionNodes;
  let node: TestApp;
  let other: TestApp;
  let user: Account;
  let cookie: string;
  beforeAll(async () => {
    nodes = await sessionNodes();
    ({ node, other, user } = nodes);
  });
  beforeEach(async () => {
    cookie = await sessionLogin(node, user);
  });
  afterAll(() => nodes.close());

  const rowOf = (session: string) =>
    sql<{ expire: number }>(
      node,
      `SELECT extract(epoch FROM expire::timestamptz - now())::float8 AS expire FROM session WHERE sid = $1`,
      [sidIn(session)],
    );

  async function ended(tokens: Tokens, session = cookie): Promise<void> {
    for (const at of [node, other]) {
      await until(async () => (await verify(at, tokens.access_token)) === '401 token_revoked', 1_000);
      expect(await verifySession(at, session)).toBe('401 session_invalid');
      expect(statusOf(await tryRefresh(at, tokens.refresh_token))).toBe('401 refresh_token_revoked');
      expect(statusOf(await exchange(at, session))).toBe('401 session_invalid');
    }
  }

  it('answers like a login, and the session stays live', async () => {
    const reply = await exchange(node, cookie);
    const tokens = tokensOf(reply);
    expect(tokens).toEqual({
      access_token: expect.any(String),
      refresh_token: expect.stringMatching(/^tandem_rt_/),
      token_type: 'Bearer',
      expires_in: 900,
    });
    expect(refreshCookie(reply)).toMatchObject({
      value: tokens.refresh_token,
      path: '/auth',
      httpOnly: true,
    });
    expect(reply.headers['cache-control']).toBe('no-store');
    expect(await verify(other, tokens.access_token)).toBe('204');
    expect(await verifySession(other, cookie)).toBe('204');
    const events = await sql<{ event: string }>(node, `SELECT event FROM audit_events WHERE sid = $1`, [
      sidOf(tokens),
    ]);
    expect(events).toEqual([{ event: 'exchange' }]);
  });

  it('accepts a client that sends Content-Type: application/json with every call', async () => {
    const headers = { 'content-type': 'application/json' };
    const reply = await bySession(node, cookie, { method: 'POST', url: '/auth/exchange', headers });
    expect(reply.statusCode).toBe(200);
  });

  it('delivers the refresh token by cookie only on request', async () => {
    const reply = await exchange(node, cookie, { token_delivery: 'cookie' });
    expect(Object.keys(reply.json<object>()).sort()).toEqual(['access_token', 'expires_in', 'token_type']);
    expect(refreshCookie(reply)?.value).toMatch(/^tandem_rt_/);
  });

  it('extends the session and its cookie to the life of the family', async () => {
    const reply = await exchange(node, cookie);
    const [before] = await rowOf(cookie);
    expect(before!.expire).toBeGreaterThan(604_790);
    expect(reply.cookies.find(({ name }) => name === NAME)).toMatchObject({ maxAge: 2_592_000 });
    await sql(node, `UPDATE session SET expire = now() + interval '1 hour' WHERE sid = $1`, [sidIn(cookie)]);
    // Another application has shortened it: found by looking, and at the next refresh.
    await until(async () => (await rowOf(cookie))[0]!.expire > 604_000, 5_000);
    await refresh(node, tokensOf(reply).refresh_token);
    expect((await rowOf(cookie))[0]!.expire).toBeGreaterThan(604_790);
  });

  it('returns the same refresh token until it is used', async () => {
    const first = tokensOf(await exchange(node, cookie));
    const again = tokensOf(await exchange(other, cookie));
    expect(again.refresh_token).toBe(first.refresh_token);
    expect(sidOf(again)).toBe(sidOf(first));
    await refresh(other, again.refresh_token);
    expect(statusOf(await exchange(node, cookie))).toBe('409 already_exchanged');
    expect(await verifySession(node, cookie)).toBe('204');
  });

  it('returns no refresh token once the access token has been used', async () => {
    const { access_token } = tokensOf(await exchange(node, cookie));
    expect(await verify(other, access_token)).toBe('204');
    await until(async () => statusOf(await exchange(node, cookie)) === '409 already_exchanged', 2_000);
  });

  it('opens one family for many simultaneous calls', async () => {
    const replies = await Promise.all(
      Array.from({ length: 16 }, (_, i) => exchange(i % 2 === 0 ? node : other, cookie)),
    );
    expect(new Set(replies.map((reply) => tokensOf(reply).refresh_token)).size).toBe(1);
    const families = await sql(node, `SELECT 1 FROM session_fates WHERE sid = $1 AND family_id IS NOT NULL`, [
      sidIn(cookie),
    ]);
    expect(families).toHaveLength(1);
  });

  it('refuses a call by token, without a session, or from another site', async () => {
    expect(statusOf(await post(node, '/auth/exchange'))).toBe('401 token_missing');
    const { access_token } = await login(node, user);
    expect(statusOf(await post(node, '/auth/exchange', undefined, bearer(access_token)))).toBe(
      '401 session_invalid',
    );
    expect(statusOf(await exchange(node, cookieFor('unknown')))).toBe('401 session_invalid');
    const elsewhere = await bySession(node, cookie, {
      method: 'POST',
      url: '/auth/exchange',
      headers: { origin: 'https://evil.example' },
    });
    expect(statusOf(elsewhere)).toBe('403 cross_site_request');
    expect(statusOf(await exchange(node, cookie, { token_delivery: 'mail' }))).toBe('400 validation_failed');
  });

  it('shows the family as the calling device, which can be revoked', async () => {
    const tokens = tokensOf(await exchange(node, cookie));
    const list = await bySession(node, cookie, { url: '/auth/devices' });
    const devices = list.json<{ devices: { id: string; current: boolean }[] }>().devices;
    expect(devices.filter(({ current }) => current).map(({ id }) => id)).toEqual([sidOf(tokens)]);
    const removed = await bySession(node, cookie, {
      method: 'DELETE',
      url: `/auth/devices/${sidOf(tokens)}`,
    });
    expect(removed.statusCode).toBe(204);
    await ended(tokens);
  });

  describe('the linked session and family', () => {
    let tokens: Tokens;
    beforeEach(async () => {
      tokens = tokensOf(await exchange(node, cookie));
    });

    it('are revoked by a logout by token', async () => {
      expect((await post(node, '/auth/logout', undefined, bearer(tokens.access_token))).statusCode).toBe(204);
      await ended(tokens);
    });

    it('are revoked by a logout by session, with one audit event', async () => {
      expect((await bySession(node, cookie, { method: 'POST', url: '/api/logout' })).statusCode).toBe(204);
      await ended(tokens);
      const events = await sql<{ event: string }>(
        node,
        `SELECT event FROM audit_events WHERE sid = $1 ORDER BY id`,
        [sidOf(tokens)],
      );
      expect(events.map(({ event }) => event)).toEqual(['exchange', 'logout']);
    });

    it('are revoked by another login in the same browser', async () => {
      await sessionLogin(node, user, cookie);
      await ended(tokens);
    });

    it('are revoked by a logout everywhere', async () => {
      expect((await post(node, '/auth/logout-all', undefined, bearer(tokens.access_token))).statusCode).toBe(
        204,
      );
      await ended(tokens);
    });

    it('are revoked by an administrator who revokes the family or the user', async () => {
      const admin = bearer((await login(node)).access_token);
      const url = `/admin/tokens/${sidOf(tokens)}`;
      expect((await node.app.inject({ method: 'DELETE', url, ...admin })).statusCode).toBe(204);
      await ended(tokens);
      cookie = await sessionLogin(node, user);
      tokens = tokensOf(await exchange(node, cookie));
      expect((await post(node, `/admin/users/${user.id}/revoke`, undefined, admin)).statusCode).toBe(200);
      await ended(tokens);
    });

    it('are revoked when the user is disabled', async () => {
      const account = await aUser(node);
      cookie = await sessionLogin(node, account);
      tokens = tokensOf(await exchange(node, cookie));
      const admin = bearer((await login(node)).access_token);
      const url = `/admin/users/${account.id}`;
      const payload = { disabled: true };
      expect((await node.app.inject({ method: 'PATCH', url, payload, ...admin })).statusCode).toBe(200);
      await ended(tokens);
    });

    it('are revoked by the reuse of a spent token', async () => {
      const second = await refresh(node, tokens.refresh_token);
      const third = await refresh(node, second.refresh_token);
      expect(codeOf(await tryRefresh(node, tokens.refresh_token))).toBe('refresh_token_reused');
      await ended(third);
    });

    it('are revoked by a password change of another family, but not by their own', async () => {
      const account = await aUser(node);
      const mine = await sessionLogin(node, account);
      const own = tokensOf(await exchange(node, mine));
      const next = 'another long pass phrase';
      const payload = { current_password: account.password, new_password: next };
      const changed = await bySession(node, mine, { method: 'POST', url: '/auth/password', payload });
      expect(changed.statusCode).toBe(204);
      expect(await verifySession(other, mine)).toBe('204');
      expect(await verify(other, own.access_token)).toBe('204');
      const again = await refresh(other, own.refresh_token);
      const back = { current_password: next, new_password: `${next} again` };
      const stranger = await login(node, { ...account, password: next });
      expect((await post(node, '/auth/password', back, bearer(stranger.access_token))).statusCode).toBe(204);
      await ended(again, mine);
    });

    it('survive a password change by the token of the linked family', async () => {
      const account = await aUser(node);
      const mine = await sessionLogin(node, account);
      const own = tokensOf(await exchange(node, mine));
      const payload = { current_password: account.password, new_password: 'another long pass phrase' };
      expect((await post(node, '/auth/password', payload, bearer(own.access_token))).statusCode).toBe(204);
      expect(await verifySession(other, mine)).toBe('204');
      expect(await verify(other, own.access_token)).toBe('204');
    });

    it('are revoked within a second when another application deletes the row, and at once by a refresh', async () => {
      await sql(node, `DELETE FROM session WHERE sid = $1`, [sidIn(cookie)]);
      expect(await verifySession(other, cookie)).toBe('401 session_invalid');
      expect(statusOf(await tryRefresh(other, tokens.refresh_token))).toBe('401 refresh_token_revoked');
      await ended(tokens);
      cookie = await sessionLogin(node, user);
      tokens = tokensOf(await exchange(node, cookie));
      await sql(node, `DELETE FROM session WHERE sid = $1`, [sidIn(cookie)]);
      await until(async () => (await verify(other, tokens.access_token)) === '401 token_revoked', 3_000);
      await ended(tokens);
    });

    it('are revoked when another application empties the table', async () => {
      await sql(node, `TRUNCATE session`);
      expect(statusOf(await tryRefresh(node, tokens.refresh_token))).toBe('401 refresh_token_revoked');
      await ended(tokens);
    });

    it('are revoked when another application removes the user from the row', async () => {
      await sql(node, `UPDATE session SET sess = '{"cookie":{},"userId":null}' WHERE sid = $1`, [
        sidIn(cookie),
      ]);
      await until(async () => (await verify(other, tokens.access_token)) === '401 token_revoked', 3_000);
      expect(statusOf(await tryRefresh(node, tokens.refresh_token))).toBe('401 refresh_token_revoked');
    });

    it('stay revoked when another application writes the row again: it is refused and removed', async () => {
      const [row] = await sql<{ sid: string; sess: object; expire: string }>(
        node,
        `SELECT sid, sess, expire::text FROM session WHERE sid = $1`,
        [sidIn(cookie)],
      );
      expect((await bySession(node, cookie, { method: 'POST', url: '/api/logout' })).statusCode).toBe(204);
      await sql(node, `INSERT INTO session VALUES ($1, $2, $3)`, [row!.sid, row!.sess, row!.expire]);
      await ended(tokens);
      await until(async () => (await rowOf(cookie)).length === 0, 10_000);
    });
  });

  describe('the expiry of one', () => {
    it('does not revoke the family when the session expires, with or without its row', async () => {
      const tokens = tokensOf(await exchange(node, cookie));
      await sql(node, `UPDATE session SET expire = now() - interval '1 second' WHERE sid = $1`, [
        sidIn(cookie),
      ]);
      expect(await verifySession(node, cookie)).toBe('401 session_invalid');
      const second = await refresh(node, tokens.refresh_token);
      await sql(node, `DELETE FROM session WHERE expire < now()`);
      const third = await refresh(node, second.refresh_token);
      const looked = await sql<{ row_expired: boolean }>(
        node,
        `SELECT row_expired FROM session_fates WHERE sid = $1`,
        [sidIn(cookie)],
      );
      expect(looked).toEqual([{ row_expired: true }]);
      expect(await verify(other, third.access_token)).toBe('204');
    });

    it('does not revoke the session when the family expires, but the session gets no other family', async () => {
      const tokens = tokensOf(await exchange(node, cookie));
      await sql(node, `UPDATE refresh_tokens SET expires_at = now() - interval '1 second' WHERE id = $1`, [
        sidOf(tokens),
      ]);
      expect(codeOf(await tryRefresh(node, tokens.refresh_token))).toBe('refresh_token_expired');
      expect(await verifySession(node, cookie)).toBe('204');
      expect(statusOf(await exchange(node, cookie))).toBe('409 already_exchanged');
    });
  });

  it('refuses users who are not eligible', async () => {
    await withRollout(node, { percentage: 0 }, async () => {
      expect(statusOf(await exchange(node, cookie))).toBe('403 jwt_not_enabled');
      expect(await verifySession(node, cookie)).toBe('204');
    });
  });

  it('limits refused calls by address and accepted ones by session', async () => {
    await withStrictNode(node, async (strict) => {
      for (let call = 0; call < 3; call++) {
        expect(statusOf(await exchange(strict, cookieFor('unknown'), undefined, '192.0.2.1'))).toBe(
          '401 session_invalid',
        );
      }
      const refused = await exchange(strict, cookieFor('unknown'), undefined, '192.0.2.1');
      expect(statusOf(refused)).toBe('429 rate_limited');
      expect(refused.headers['retry-after']).toMatch(/^\d+$/);
      for (let call = 0; call < 3; call++) tokensOf(await exchange(strict, cookie));
      expect(statusOf(await exchange(strict, cookie))).toBe('429 rate_limited');
    });
  });
});
