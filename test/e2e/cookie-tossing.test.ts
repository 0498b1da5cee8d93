import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
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
  verify,
} from '../helpers/client.js';
import type { Account, Reply, Tokens } from '../helpers/client.js';

/** Another site can set a cookie for this one from a subdomain, or over plain HTTP. The browser sends both, in any order. */
describe('a browser with several refresh_token cookies', () => {
  let node: TestApp;
  let owner: Account;
  let attacker: Account;
  let own: Tokens;
  let tossed: Tokens;
  beforeAll(async () => {
    node = await createTestApp();
    owner = await aUser(node);
    attacker = await aUser(node);
  });
  beforeEach(async () => {
    own = await login(node, owner);
    tossed = await login(node, attacker);
  });
  afterAll(() => node.close());

  const call = (path: string, ...tokens: string[]): Promise<Reply> =>
    post(node, path, undefined, {
      headers: { cookie: tokens.map((token) => `refresh_token=${token}`).join('; ') },
    });

  const told = (reply: Reply) => [reply.statusCode, codeOf(reply)];

  /** Both orders. */
  const orders = (...tokens: string[]): string[][] => [tokens, tokens.toReversed()];

  it('refuses cookies of different families and revokes neither', async () => {
    for (const tokens of orders(own.refresh_token, tossed.refresh_token)) {
      const reply = await call('/auth/refresh', ...tokens);
      expect(told(reply)).toEqual([401, 'refresh_token_invalid']);
      expect(reply.cookies).toEqual([]);
    }
    for (const tokens of [own, tossed]) {
      expect(await verify(node, tokens.access_token)).toBe('204');
      await refresh(node, tokens.refresh_token);
    }
  });

  it('revokes the families of all cookies at logout', async () => {
    for (const flip of [false, true]) {
      const mine = await login(node, owner);
      const other = await login(node, attacker);
      const tokens = [mine.refresh_token, other.refresh_token];
      const reply = await call('/auth/logout', ...(flip ? tokens.toReversed() : tokens));
      expect(reply.statusCode).toBe(204);
      expect(refreshCookie(reply)).toMatchObject({ value: '' });
      expect(await verify(node, mine.access_token)).toBe('401 token_revoked');
      expect(await verify(node, other.access_token)).toBe('401 token_revoked');
    }
  });

  it('revokes the families of the cookies and of the access token at logout', async () => {
    const third = await login(node, owner);
    const reply = await post(node, '/auth/logout', undefined, {
      headers: {
        ...bearer(third.access_token).headers,
        cookie: `refresh_token=${tossed.refresh_token}; refresh_token=${own.refresh_token}`,
      },
    });
    expect(reply.statusCode).toBe(204);
    for (const { access_token } of [own, tossed, third]) {
      expect(await verify(node, access_token)).toBe('401 token_revoked');
    }
  });

  it.each([
    ['empty', ''],
    ['rubbish', 'rubbish'],
    ['a token with an invalid MAC', `tandem_rt_${'A'.repeat(72)}`],
  ])('uses the only valid cookie when the other is %s', async (_, bad) => {
    for (const tokens of orders(own.refresh_token, bad)) {
      const reply = await call('/auth/refresh', ...tokens);
      expect(reply.statusCode).toBe(200);
      expect(sidOf(reply.json<Tokens>())).toBe(sidOf(own));
      own = { ...own, refresh_token: refreshCookie(reply)!.value };
    }
    expect((await call('/auth/logout', bad, own.refresh_token)).statusCode).toBe(204);
    expect(await verify(node, own.access_token)).toBe('401 token_revoked');
  });

  it('uses the newest of several tokens of one family, and reports no reuse', async () => {
    const second = await refresh(node, own.refresh_token);
    const third = await refresh(node, second.refresh_token);
    let newest = third.refresh_token;
    for (const flip of [false, true]) {
      const tokens = [own.refresh_token, second.refresh_token, newest];
      const reply = await call('/auth/refresh', ...(flip ? tokens.toReversed() : tokens));
      expect(reply.statusCode).toBe(200);
      newest = refreshCookie(reply)!.value;
    }
    await refresh(node, newest);
  });

  it('treats two cookies with the same token as one', async () => {
    const reply = await call('/auth/refresh', own.refresh_token, own.refresh_token);
    expect(reply.statusCode).toBe(200);
    const quoted = await call('/auth/refresh', `"${own.refresh_token}"`, own.refresh_token);
    expect(quoted.statusCode).toBe(200);
  });

  it('accepts a new login after a logout although the other cookie is still there', async () => {
    expect((await call('/auth/logout', tossed.refresh_token, own.refresh_token)).statusCode).toBe(204);
    const again = await login(node, owner);
    for (const tokens of orders(tossed.refresh_token, again.refresh_token)) {
      const reply = await call('/auth/refresh', ...tokens);
      expect(reply.statusCode).toBe(200);
      expect(sidOf(reply.json<Tokens>())).toBe(sidOf(again));
    }
  });

  it('refuses two revoked families and reports no reuse', async () => {
    await sql(node, `UPDATE refresh_tokens SET expires_at = now() WHERE id = ANY ($1::uuid[])`, [
      [sidOf(own), sidOf(tossed)],
    ]);
    const reply = await call('/auth/refresh', own.refresh_token, tossed.refresh_token);
    expect(told(reply)).toEqual([401, 'refresh_token_invalid']);
  });

  it('ignores the cookies if the body has a token', async () => {
    const reply = await post(
      node,
      '/auth/refresh',
      { refresh_token: own.refresh_token },
      { headers: { cookie: `refresh_token=${tossed.refresh_token}; refresh_token=x` } },
    );
    expect(sidOf(reply.json<Tokens>())).toBe(sidOf(own));
  });

  it('refuses a header full of valid tokens, and revokes their families at logout', async () => {
    const many = await Promise.all(Array.from({ length: 40 }, () => login(node, owner)));
    const reply = await call('/auth/refresh', ...many.map(({ refresh_token }) => refresh_token));
    expect(told(reply)).toEqual([401, 'refresh_token_invalid']);
    expect((await call('/auth/logout', ...many.map(({ refresh_token }) => refresh_token))).statusCode).toBe(
      204,
    );
    for (const { access_token } of many) expect(await verify(node, access_token)).toBe('401 token_revoked');
  });
});
