import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import {
  age,
  aUser,
  codeOf,
  login,
  post,
  refresh,
  sidOf,
  sql,
  tryRefresh,
  until,
  verify,
} from '../helpers/client.js';
import type { Account } from '../helpers/client.js';

const HOUR = 3600;
const DAY = 24 * HOUR;

describe('POST /auth/refresh', () => {
  let node: TestApp;
  let user: Account;
  beforeAll(async () => {
    node = await createTestApp();
    user = await aUser(node);
  });
  afterAll(() => node.close());

  /** A family whose token `spent` has the successor `current`. */
  async function aRefreshedLogin() {
    const first = await login(node, user);
    const current = await refresh(node, first.refresh_token);
    return { spent: first.refresh_token, current, sid: sidOf(first) };
  }

  /** Confirms the current generation like an access token at the API, but at once. */
  function confirm(sid: string) {
    return sql(node, 'UPDATE refresh_tokens SET confirmed_generation = generation WHERE id = $1', [sid]);
  }

  it('returns new tokens of the same family, with no-store', async () => {
    const first = await login(node, user);
    const reply = await tryRefresh(node, first.refresh_token);
    expect(reply.statusCode).toBe(200);
    expect(reply.headers['cache-control']).toBe('no-store');
    const second = reply.json<typeof first>();
    expect(second).toMatchObject({ token_type: 'Bearer', expires_in: 900 });
    expect(second.refresh_token).not.toBe(first.refresh_token);
    expect(second.access_token).not.toBe(first.access_token);
    expect(sidOf(second)).toBe(sidOf(first));
    expect(await verify(node, second.access_token)).toBe('204');
    expect(await verify(node, first.access_token)).toBe('204');
  });

  it('returns the same successor to two tabs within the grace period, even if it was seen', async () => {
    const { spent, current, sid } = await aRefreshedLogin();
    await confirm(sid);
    await age(node, sid, 8);
    const again = await refresh(node, spent);
    expect(again.refresh_token).toBe(current.refresh_token);
    expect(await verify(node, again.access_token)).toBe('204');
  });

  it('returns the same successor again hours later if it was not seen', async () => {
    const { spent, current, sid } = await aRefreshedLogin();
    await age(node, sid, 20 * HOUR);
    expect((await refresh(node, spent)).refresh_token).toBe(current.refresh_token);
    expect((await refresh(node, spent)).refresh_token).toBe(current.refresh_token);
    await refresh(node, current.refresh_token);
  });

  it('treats a spent token as reused after a day', async () => {
    const { spent, sid } = await aRefreshedLogin();
    await age(node, sid, DAY + 1);
    expect(codeOf(await tryRefresh(node, spent))).toBe('refresh_token_reused');
  });

  it('treats a spent token as reused once an API request has shown that the successor arrived', async () => {
    const { spent, current, sid } = await aRefreshedLogin();
    await age(node, sid, 60);
    expect(await verify(node, current.access_token)).toBe('204');
    await until(async () => {
      const [row] = await sql<{ seen: boolean }>(
        node,
        'SELECT confirmed_generation = generation AS seen FROM refresh_tokens WHERE id = $1',
        [sid],
      );
      return row!.seen;
    }, 2000);
    expect(codeOf(await tryRefresh(node, spent))).toBe('refresh_token_reused');
  });

  it('treats a token two generations back as reused at once', async () => {
    const { spent, current } = await aRefreshedLogin();
    await refresh(node, current.refresh_token);
    const reply = await tryRefresh(node, spent);
    expect(reply.statusCode).toBe(401);
    expect(codeOf(reply)).toBe('refresh_token_reused');
  });

  it('revokes the whole family of a reused token, and no other family of the user', async () => {
    const other = await login(node, user);
    const { spent, current, sid } = await aRefreshedLogin();
    const last = await refresh(node, current.refresh_token);
    expect(codeOf(await tryRefresh(node, spent))).toBe('refresh_token_reused');
    expect(codeOf(await tryRefresh(node, last.refresh_token))).toBe('refresh_token_revoked');
    expect(codeOf(await tryRefresh(node, spent))).toBe('refresh_token_revoked');
    expect(await verify(node, last.access_token)).toBe('401 token_revoked');
    expect(await verify(node, current.access_token)).toBe('401 token_revoked');
    const events = await sql(
      node,
      `SELECT user_id, cause FROM audit_events WHERE event = 'refresh_reused' AND sid = $1`,
      [sid],
    );
    expect(events).toEqual([{ user_id: user.id, cause: 'reuse' }]);
    expect(await verify(node, other.access_token)).toBe('204');
    await refresh(node, other.refresh_token);
  });

  it('refuses tokens that it never issued and other spellings, and revokes no family', async () => {
    const { spent, current } = await aRefreshedLogin();
    const token = current.refresh_token;
    const body = token.slice('tandem_rt_'.length);
    const bytes = Buffer.from(body, 'base64url');
    const changed = (at: number) => {
      const copy = Buffer.from(bytes);
      copy[at]! ^= 1;
      return `tandem_rt_${copy.toString('base64url')}`;
    };
    const refused = [
      'garbage',
      'tandem_rt_',
      body,
      `TANDEM_RT_${body}`,
      `${token}=`,
      `${token} `,
      ` ${token}`,
      `${token}\n`,
      `${token}A`,
      token.slice(0, -1),
      `tandem_rt_${bytes.toString('base64')}=`,
      `tandem_rt_${bytes.toString('hex')}`,
      `tandem_rt_${'A'.repeat(72)}`,
      // One bit of the id, the generation or the MAC.
      changed(0),
      changed(21),
      changed(53),
    ];
    for (const wrong of refused) {
      const reply = await tryRefresh(node, wrong);
      expect([wrong, reply.statusCode, codeOf(reply)]).toEqual([wrong, 401, 'refresh_token_invalid']);
    }
    expect((await refresh(node, spent)).refresh_token).toBe(token);
    await refresh(node, token);
  });

  it('refuses with a challenge without an error code, and with no-store', async () => {
    for (const reply of [await tryRefresh(node, 'garbage'), await post(node, '/auth/refresh')]) {
      expect(reply.statusCode).toBe(401);
      expect(codeOf(reply)).toBe('refresh_token_invalid');
      expect(reply.headers['www-authenticate']).toMatch(/^Bearer realm="/);
      expect(reply.headers['cache-control']).toBe('no-store');
    }
  });

  it('refuses an expired family and says why', async () => {
    const { refresh_token, ...tokens } = await login(node, user);
    await sql(node, 'UPDATE refresh_tokens SET expires_at = now() WHERE id = $1', [sidOf(tokens)]);
    const reply = await tryRefresh(node, refresh_token);
    expect(reply.statusCode).toBe(401);
    expect(codeOf(reply)).toBe('refresh_token_expired');
  });

  it('extends the expiry with each refresh, but never beyond the expiry of the family', async () => {
    const tokens = await login(node, user);
    const left = async () => {
      const [row] = await sql<{ left: number }>(
        node,
        'SELECT extract(epoch FROM expires_at - now())::float8 AS left FROM refresh_tokens WHERE id = $1',
        [sidOf(tokens)],
      );
      return row!.left;
    };
    await sql(node, `UPDATE refresh_tokens SET expires_at = now() + interval '1 minute' WHERE id = $1`, [
      sidOf(tokens),
    ]);
    const next = await refresh(node, tokens.refresh_token);
    expect(await left()).toBeGreaterThan(7 * DAY - 60);
    await sql(
      node,
      `UPDATE refresh_tokens SET absolute_expires_at = now() + interval '1 hour' WHERE id = $1`,
      [sidOf(tokens)],
    );
    await refresh(node, next.refresh_token);
    expect(await left()).toBeLessThanOrEqual(HOUR);
  });

  it('returns the current role of the user', async () => {
    const someone = await aUser(node);
    const tokens = await login(node, someone);
    await sql(node, `UPDATE users SET role = 'admin' WHERE id = $1`, [someone.id]);
    const next = await refresh(node, tokens.refresh_token);
    const reply = await node.app.inject({
      url: '/auth/verify',
      headers: { authorization: `Bearer ${next.access_token}` },
    });
    expect(reply.headers['x-auth-role']).toBe('admin');
  });

  it.each([
    ['a token that is not a text', { refresh_token: 7 }],
    ['a list of tokens', { refresh_token: ['garbage'] }],
    ['a token that is far too long', { refresh_token: 'x'.repeat(5000) }],
    ['an unknown field', { refresh_token: 'garbage', user: 'root' }],
  ])('answers 400 for %s, and so does logout', async (_, payload) => {
    for (const url of ['/auth/refresh', '/auth/logout']) {
      const reply = await post(node, url, payload);
      expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'validation_failed']);
      expect(reply.headers['cache-control']).toBe('no-store');
    }
  });

  it('treats null as no token', async () => {
    const { refresh_token } = await login(node, user);
    const reply = await post(node, '/auth/refresh', { refresh_token: null }, { cookies: { refresh_token } });
    expect(reply.statusCode).toBe(200);
  });
});

describe('POST /auth/refresh with both windows off', () => {
  let node: TestApp;
  beforeAll(async () => {
    node = await createTestApp({ env: { REFRESH_REUSE_GRACE: '0', REFRESH_LOST_RESPONSE_WINDOW: '0' } });
  });
  afterAll(() => node.close());

  it('treats every spent token as reused', async () => {
    const first = await login(node);
    const second = await refresh(node, first.refresh_token);
    expect(codeOf(await tryRefresh(node, first.refresh_token))).toBe('refresh_token_reused');
    expect(codeOf(await tryRefresh(node, second.refresh_token))).toBe('refresh_token_revoked');
  });
});

describe('POST /auth/refresh without a grace period', () => {
  let node: TestApp;
  beforeAll(async () => {
    node = await createTestApp({ env: { REFRESH_REUSE_GRACE: '0' } });
  });
  afterAll(() => node.close());

  it('still repeats a lost response', async () => {
    const first = await login(node);
    const second = await refresh(node, first.refresh_token);
    expect((await refresh(node, first.refresh_token)).refresh_token).toBe(second.refresh_token);
  });
});
