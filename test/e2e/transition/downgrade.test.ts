import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RefreshTokenCodec } from '../../../src/tokens/families/refresh-token.codec.js';
import { RefreshTokenStore } from '../../../src/tokens/families/refresh-token.store.js';
import type { TestApp } from '../../helpers/app.js';
import {
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
  verify,
} from '../../helpers/client.js';
import type { Account, Reply, Tokens } from '../../helpers/client.js';
import { bySession, sessionCookie, sessionLogin, sidIn, statusOf, verifySession } from './session-client.js';
import { exchange, sessionNodes, withRollout, withStrictNode } from './session-nodes.js';
import type { SessionNodes } from './session-nodes.js';

describe('POST /auth/downgrade', () => {
  let nodes: SessionNodes;
  let node: TestApp;
  let other: TestApp;
  let user: Account;
  let tokens: Tokens;
  beforeAll(async () => {
    nodes = await sessionNodes();
    ({ node, other, user } = nodes);
  });
  beforeEach(async () => {
    tokens = await login(node, user);
  });
  afterAll(() => nodes.close());

  const downgrade = (at: TestApp, token: string, remoteAddress = '127.0.0.1'): Promise<Reply> =>
    post(at, '/auth/downgrade', { refresh_token: token }, { remoteAddress });

  async function given(reply: Promise<Reply>): Promise<string> {
    const cookie = sessionCookie(await reply);
    if (cookie === undefined) throw new Error(`no session: ${(await reply).body}`);
    return cookie;
  }

  /** Lets the login be that long over, in seconds. */
  const later = (sid: string, seconds: number) =>
    sql(node, `UPDATE refresh_tokens SET revoked_at = revoked_at - make_interval(secs => $2) WHERE id = $1`, [
      sid,
      seconds,
    ]);

  it('answers with the user and the session cookie, and revokes the family', async () => {
    const reply = await downgrade(node, tokens.refresh_token);
    expect(reply.statusCode).toBe(200);
    expect(reply.json()).toEqual({ user: { id: user.id, username: user.username, role: 'user' } });
    expect(reply.headers['cache-control']).toBe('no-store');
    expect(refreshCookie(reply)).toMatchObject({ value: '', path: '/auth' });
    const cookie = sessionCookie(reply)!;
    expect(await verifySession(other, cookie)).toBe('204');
    expect(await verify(node, tokens.access_token)).toBe('401 token_revoked');
    expect(statusOf(await tryRefresh(other, tokens.refresh_token))).toBe('401 refresh_token_revoked');
    const events = await sql<{ event: string }>(node, `SELECT event FROM audit_events WHERE sid = $1`, [
      sidOf(tokens),
    ]);
    expect(events.map(({ event }) => event)).toEqual(['login', 'downgrade']);
  });

  it('accepts the token in the cookie, but not from another site', async () => {
    const cookie = `refresh_token=${tokens.refresh_token}`;
    const from = (site: string) => {
      const headers = { cookie, 'sec-fetch-site': site };
      return node.app.inject({ method: 'POST', url: '/auth/downgrade', headers });
    };
    expect(statusOf(await from('cross-site'))).toBe('403 cross_site_request');
    expect(await verifySession(node, await given(from('same-origin')))).toBe('204');
  });

  it('returns the same session again while nothing shows that it arrived', async () => {
    const first = await given(downgrade(node, tokens.refresh_token));
    await later(sidOf(tokens), 3_600);
    expect(await given(downgrade(other, tokens.refresh_token))).toBe(first);
    // Used: after the grace of two tabs the token is spent, and presenting it is theft.
    expect(await verifySession(node, first)).toBe('204');
    expect(statusOf(await downgrade(node, tokens.refresh_token))).toBe('401 refresh_token_reused');
    expect(await verifySession(other, first)).toBe('401 session_invalid');
    expect(statusOf(await downgrade(node, tokens.refresh_token))).toBe('401 refresh_token_revoked');
  });

  it('returns the same session to two tabs, even if one has used it already', async () => {
    const first = await given(downgrade(node, tokens.refresh_token));
    expect(await verifySession(node, first)).toBe('204');
    expect(await given(downgrade(other, tokens.refresh_token))).toBe(first);
    const many = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        given(downgrade(i % 2 === 0 ? node : other, tokens.refresh_token)),
      ),
    );
    expect(new Set(many)).toEqual(new Set([first]));
  });

  it('accepts the previous token if the response of its refresh was lost, and repeats the answer', async () => {
    const second = await refresh(node, tokens.refresh_token);
    const first = await given(downgrade(node, tokens.refresh_token));
    expect(await given(downgrade(other, tokens.refresh_token))).toBe(first);
    expect(await given(downgrade(other, second.refresh_token))).toBe(first);
  });

  it('treats a token that was spent before as reused', async () => {
    const second = await refresh(node, tokens.refresh_token);
    const third = await refresh(node, second.refresh_token);
    expect(statusOf(await downgrade(node, tokens.refresh_token))).toBe('401 refresh_token_reused');
    expect(statusOf(await downgrade(node, third.refresh_token))).toBe('401 refresh_token_revoked');
    expect(await verify(node, third.access_token)).toBe('401 token_revoked');
  });

  it('revokes the session if a token that was spent before is presented after the downgrade', async () => {
    const second = await refresh(node, tokens.refresh_token);
    const third = await refresh(node, second.refresh_token);
    const cookie = await given(downgrade(node, third.refresh_token));
    const exchanged = tokensOf(await exchange(node, cookie));
    expect(statusOf(await downgrade(node, tokens.refresh_token))).toBe('401 refresh_token_reused');
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    expect(await verify(node, exchanged.access_token)).toBe('401 token_revoked');
  });

  it('revokes a thief’s session when the owner refreshes', async () => {
    const thief = await given(downgrade(node, tokens.refresh_token));
    expect(await verifySession(node, thief)).toBe('204');
    await later(sidOf(tokens), 60);
    expect(statusOf(await tryRefresh(other, tokens.refresh_token))).toBe('401 refresh_token_reused');
    expect(await verifySession(node, thief)).toBe('401 session_invalid');
    const events = await sql<{ event: string }>(
      node,
      `SELECT event FROM audit_events WHERE sid = $1 AND user_id = $2 ORDER BY id`,
      [sidOf(tokens), user.id],
    );
    expect(events.map(({ event }) => event)).toEqual(['login', 'downgrade', 'refresh_reused']);
  });

  it('revokes the session and its later family when the downgraded family is revoked again', async () => {
    const admin = bearer((await login(node)).access_token);
    const revoke = (sid: string) =>
      node.app.inject({ method: 'DELETE', url: `/admin/tokens/${sid}`, ...admin });
    const cookie = await given(downgrade(node, tokens.refresh_token));
    expect((await revoke(sidOf(tokens))).statusCode).toBe(204);
    expect(await verifySession(other, cookie)).toBe('401 session_invalid');

    const second = await login(node, user);
    const between = await given(downgrade(node, second.refresh_token));
    const third = tokensOf(await exchange(node, between));
    const last = await given(downgrade(node, third.refresh_token));
    const fourth = tokensOf(await exchange(node, last));
    expect((await post(node, '/auth/logout', { refresh_token: second.refresh_token })).statusCode).toBe(204);
    expect(await verifySession(other, last)).toBe('401 session_invalid');
    expect(await verify(node, fourth.access_token)).toBe('401 token_revoked');
    expect(statusOf(await tryRefresh(other, fourth.refresh_token))).toBe('401 refresh_token_revoked');
  });

  it.each(['nonsense', `tandem_rt_${'A'.repeat(72)}`])(
    'refuses a text that is not a token of this service: %s',
    async (token) => {
      expect(statusOf(await downgrade(node, token))).toBe('401 refresh_token_invalid');
      expect(statusOf(await post(node, '/auth/downgrade'))).toBe('401 refresh_token_invalid');
    },
  );

  it('refuses a genuine token of a future generation, and opens no session', async () => {
    const sid = sidOf(tokens);
    const family = (await node.app.get(RefreshTokenStore).find(sid))!;
    const codec = node.app.get(RefreshTokenCodec);
    // Genuine: the database was restored to a moment before it was given out.
    const future = [1, 2, 2 ** 47].map((ahead) =>
      codec.mint(family, family.generation + ahead, family.macKey)!,
    );
    const sessions = () => sql(node, `SELECT sid FROM session ORDER BY sid`);
    const refuse = async () => {
      const before = await sessions();
      for (const token of future) {
        const reply = await downgrade(node, token);
        expect(statusOf(reply)).toBe('401 refresh_token_invalid');
        expect(sessionCookie(reply)).toBeUndefined();
      }
      expect(await sessions()).toEqual(before);
    };
    await refuse();
    expect(await verify(node, tokens.access_token)).toBe('204');
    const cookie = await given(downgrade(node, tokens.refresh_token));
    await refuse();
    expect(await verifySession(node, cookie)).toBe('204');
    await refuse();
    expect(await verifySession(other, cookie)).toBe('204');
  });

  it('refuses a token of an expired or revoked family', async () => {
    await sql(node, `UPDATE refresh_tokens SET expires_at = now() WHERE id = $1`, [sidOf(tokens)]);
    expect(statusOf(await downgrade(node, tokens.refresh_token))).toBe('401 refresh_token_expired');
    const ended = await login(node, user);
    await post(node, '/auth/logout', { refresh_token: ended.refresh_token });
    expect(statusOf(await downgrade(node, ended.refresh_token))).toBe('401 refresh_token_revoked');
  });

  it('revokes the linked session, so that there is never a second one', async () => {
    const before = await sessionLogin(node, user);
    const exchanged = tokensOf(await exchange(node, before));
    const after = await given(downgrade(other, exchanged.refresh_token));
    expect(after).not.toBe(before);
    expect(await verifySession(node, before)).toBe('401 session_invalid');
    expect(await verifySession(node, after)).toBe('204');
  });

  it('refuses a family whose session another application has ended', async () => {
    const before = await sessionLogin(node, user);
    const exchanged = tokensOf(await exchange(node, before));
    await sql(node, `DELETE FROM session WHERE sid = $1`, [sidIn(before)]);
    expect(statusOf(await downgrade(node, exchanged.refresh_token))).toBe('401 refresh_token_revoked');
  });

  it('allows another exchange, whose family expires no later than the first family', async () => {
    await sql(
      node,
      `UPDATE refresh_tokens SET absolute_expires_at = now() + interval '1 hour' WHERE id = $1`,
      [sidOf(tokens)],
    );
    const reply = downgrade(node, tokens.refresh_token);
    const cookie = await given(reply);
    expect((await reply).cookies.find(({ name }) => name === 'session_id')?.maxAge).toBeLessThanOrEqual(
      3_600,
    );
    const again = tokensOf(await exchange(node, cookie));
    const [row] = await sql<{ left: number }>(
      node,
      `SELECT extract(epoch FROM absolute_expires_at - now())::float8 AS left FROM refresh_tokens WHERE id = $1`,
      [sidOf(again)],
    );
    expect(row!.left).toBeLessThanOrEqual(3_600);
    await sql(node, `UPDATE session_fates SET ends_at = now() WHERE sid = $1`, [sidIn(cookie)]);
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
  });

  it('gives a session to a user who gets no more tokens under drain, and signs nobody out', async () => {
    await withRollout(node, { percentage: 0, drain: true }, async () => {
      expect(codeOf(await tryRefresh(node, tokens.refresh_token))).toBe('jwt_not_enabled');
      expect(await verifySession(node, await given(downgrade(node, tokens.refresh_token)))).toBe('204');
    });
  });

  it('is refused once sessions are removed', async () => {
    const cookie = await sessionLogin(node, user);
    await withRollout(node, { phase: 'sessions_removed' }, async () => {
      expect(statusOf(await downgrade(node, tokens.refresh_token))).toBe('410 sessions_removed');
      expect(
        statusOf(await post(node, '/api/login', { username: user.username, password: user.password })),
      ).toBe('410 sessions_removed');
      for (const session of [cookie, 'session_id=nonsense']) {
        expect(await verifySession(node, session)).toBe('401 sessions_removed');
        expect(statusOf(await exchange(node, session))).toBe('401 sessions_removed');
      }
      expect((await tryRefresh(node, tokens.refresh_token)).statusCode).toBe(200);
    });
    expect(await verifySession(node, cookie)).toBe('204');
  });

  it('still revokes sessions by logout during a brownout, which refuses all other calls by session', async () => {
    const cookie = await sessionLogin(node, user);
    const to = new Date(Date.now() + 600_000).toISOString();
    const brownouts = [{ from: new Date(Date.now() - 1_000).toISOString(), to }];
    await withRollout(node, { phase: 'deprecation_notice', brownouts }, async () => {
      const reply = await bySession(node, cookie, { url: '/api/users/me' });
      expect(statusOf(reply)).toBe('401 sessions_brownout');
      expect(reply.json<{ detail: string }>().detail).toContain(to);
      expect(Number(reply.headers['retry-after'])).toBeGreaterThan(500);
      expect((await bySession(node, cookie, { method: 'POST', url: '/api/logout' })).statusCode).toBe(204);
    });
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
  });

  // Last: a node that closes takes the password check of the others in this process with it.
  it('limits refused calls by address and accepted ones by family', async () => {
    await withStrictNode(node, async (strict) => {
      for (let call = 0; call < 3; call++) {
        expect(statusOf(await downgrade(strict, 'nonsense', '192.0.2.1'))).toBe('401 refresh_token_invalid');
      }
      expect(statusOf(await downgrade(strict, 'nonsense', '192.0.2.1'))).toBe('429 rate_limited');
      for (let call = 0; call < 3; call++) await given(downgrade(strict, tokens.refresh_token));
      expect(statusOf(await downgrade(strict, tokens.refresh_token))).toBe('429 rate_limited');
    });
  });
});
