import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, codeOf, sql, tokensOf, tryRefresh, until, verify } from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';
import { createTestDatabase } from '../../helpers/database.js';
import { cookieIn, startExpress } from './express-app.js';
import type { ExpressApp, ExpressOptions } from './express-app.js';
import { SECRET, bySession, sessionLogin, sidIn, verifySession } from './session-client.js';

describe.each([
  { zone: 'UTC', options: {} },
  { zone: 'America/St_Johns', options: { passport: true } },
])('a product on express-session in the same database, in the time zone $zone', ({ zone, options }) => {
  let node: TestApp;
  let product: ExpressApp;
  let user: Account;
  beforeAll(async () => {
    const db = await createTestDatabase();
    await db.database.query(`ALTER DATABASE ${new URL(db.url).pathname.slice(1)} SET timezone = '${zone}'`);
    // The test's own connections take it up, too.
    await db.dataSource.destroy();
    await db.dataSource.initialize();
    const key = (options as ExpressOptions).passport === true ? 'passport.user' : 'userId';
    node = await createTestApp({ db, env: { SESSION_SECRET: SECRET, SESSION_USER_KEY: key } });
    product = await startExpress(db.url, options);
    user = await aUser(node);
  });
  afterAll(async () => {
    await product.close();
    await node.close();
    await node.db.drop();
  });

  const at = (path: string, cookie: string, method = 'GET') =>
    fetch(`${product.url}${path}`, { method, headers: { cookie } });

  const loginThere = async (name: string) =>
    cookieIn(await fetch(`${product.url}/login/${name}`, { method: 'POST' }));

  const secondsLeft = async (cookie: string) => {
    const [row] = await sql<{ left: number }>(
      node,
      // As connect-pg-simple compares: by the connection's time zone.
      `SELECT extract(epoch FROM expire - to_timestamp(extract(epoch FROM now()))::timestamp)::float8 AS left
       FROM session WHERE sid = $1`,
      [sidIn(cookie)],
    );
    return row!.left;
  };

  it('has its sessions accepted here until they expire', async () => {
    const cookie = await loginThere(user.id);
    const me = await bySession(node, cookie, { url: '/api/users/me' });
    expect(me.json()).toMatchObject({ id: user.id });
    expect(await secondsLeft(cookie)).toBeGreaterThan(3_500);
    await sql(node, `UPDATE session SET expire = now() - interval '2 seconds' WHERE sid = $1`, [
      sidIn(cookie),
    ]);
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    expect((await at('/me', cookie)).status).toBe(401);
    await sql(node, `UPDATE session SET expire = now() + interval '1 minute' WHERE sid = $1`, [
      sidIn(cookie),
    ]);
    expect(await verifySession(node, cookie)).toBe('204');
    expect((await at('/me', cookie)).status).toBe(200);
  });

  it('accepts and keeps the sessions that are opened here', async () => {
    const cookie = await sessionLogin(node, user);
    expect(await (await at('/me', cookie)).json()).toEqual({ user: user.id });
    expect(await (await at('/count', cookie, 'POST')).json()).toEqual({ views: 1 });
    expect(await (await at('/count', cookie, 'POST')).json()).toEqual({ views: 2 });
    // It has written and touched the row: for a day from now, as it was made.
    const left = await secondsLeft(cookie);
    expect(left).toBeGreaterThan(86_390);
    expect(left).toBeLessThan(86_410);
    expect(await verifySession(node, cookie)).toBe('204');
  });

  it('identifies users by its own ids', async () => {
    await sql(node, `UPDATE users SET external_id = '4711' WHERE id = $1`, [user.id]);
    try {
      const theirs = await loginThere('4711');
      expect((await bySession(node, theirs, { url: '/api/users/me' })).json()).toMatchObject({ id: user.id });
      const ours = await sessionLogin(node, user);
      expect(await (await at('/me', ours)).json()).toEqual({ user: '4711' });
    } finally {
      await sql(node, `UPDATE users SET external_id = NULL WHERE id = $1`, [user.id]);
    }
    expect(await verifySession(node, await loginThere('4711'))).toBe('401 session_invalid');
    expect(await verifySession(node, await loginThere(randomUUID()))).toBe('401 session_invalid');
  });

  it('shares logouts with this service in both directions', async () => {
    const theirs = await loginThere(user.id);
    expect((await bySession(node, theirs, { method: 'POST', url: '/api/logout' })).statusCode).toBe(204);
    expect((await at('/me', theirs)).status).toBe(401);
    const ours = await sessionLogin(node, user);
    expect((await at('/logout', ours, 'POST')).status).toBe(204);
    expect(await verifySession(node, ours)).toBe('401 session_invalid');
  });

  it('has its session revoked by a login here, even an anonymous one', async () => {
    const visitor = await cookieIn(await fetch(`${product.url}/count`, { method: 'POST' }));
    expect(await verifySession(node, visitor)).toBe('401 session_invalid');
    const cookie = await sessionLogin(node, user, visitor);
    expect(sidIn(cookie)).not.toBe(sidIn(visitor));
    expect(await (await at('/count', visitor, 'POST')).json()).toEqual({ views: 1 });
  });

  it('revokes the linked family by its own logout', async () => {
    const cookie = await loginThere(user.id);
    const tokens = tokensOf(await bySession(node, cookie, { method: 'POST', url: '/auth/exchange' }));
    expect((await at('/logout', cookie, 'POST')).status).toBe(204);
    await until(async () => (await verify(node, tokens.access_token)) === '401 token_revoked', 3_000);
    expect(codeOf(await tryRefresh(node, tokens.refresh_token))).toBe('refresh_token_revoked');
  });

  it('keeps using an exchanged session beyond its own expiry', async () => {
    const cookie = await loginThere(user.id);
    const tokens = tokensOf(await bySession(node, cookie, { method: 'POST', url: '/auth/exchange' }));
    expect((await at('/count', cookie, 'POST')).status).toBe(200);
    await until(async () => (await secondsLeft(cookie)) > 600_000, 3_000);
    expect(await verify(node, tokens.access_token)).toBe('204');
  });

  it('may remove expired sessions without revoking their families', async () => {
    const cookie = await loginThere(user.id);
    const tokens = tokensOf(await bySession(node, cookie, { method: 'POST', url: '/auth/exchange' }));
    await sql(node, `UPDATE session SET expire = now() - interval '2 seconds' WHERE sid = $1`, [
      sidIn(cookie),
    ]);
    await product.prune();
    expect(await sql(node, `SELECT 1 FROM session WHERE sid = $1`, [sidIn(cookie)])).toEqual([]);
    expect((await tryRefresh(node, tokens.refresh_token)).statusCode).toBe(200);
  });

  it('loses all sessions of a user who is revoked here, even those that were never used here', async () => {
    const account = await aUser(node);
    const unseen = await Promise.all([loginThere(account.id), loginThere(account.id)]);
    const mine = await sessionLogin(node, account);
    const payload = { current_password: account.password, new_password: 'another long pass phrase' };
    const changed = await bySession(node, mine, { method: 'POST', url: '/auth/password', payload });
    expect(changed.statusCode).toBe(204);
    for (const cookie of unseen) {
      expect((await at('/me', cookie)).status).toBe(401);
      expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    }
    expect((await at('/me', mine)).status).toBe(200);
  });

  it('may store any data in a session', async () => {
    const held = options.passport === true ? { passport: { user: user.id } } : { userId: user.id };
    const cookie = await loginThere(user.id);
    for (const odd of ['\\u0000', '\\ud800', '\\\\u0000', '\\"}']) {
      const text = JSON.stringify({ cookie: {}, ...held }).replace(/\}$/, `,"odd":"${odd}"}`);
      await sql(node, `UPDATE session SET sess = $2 WHERE sid = $1`, [sidIn(cookie), text]);
      expect(await verifySession(node, cookie)).toBe('204');
    }
    for (const bad of ['7', '[]', 'null', '{"userId":{"id":1},"passport":1}', `"${'x'.repeat(9_000)}"`]) {
      await sql(node, `UPDATE session SET sess = $2 WHERE sid = $1`, [sidIn(cookie), bad]);
      expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    }
  });
});

describe('a secret of any length', () => {
  const nodes: TestApp[] = [];
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.close();
  });

  it.each(['x', 'x'.repeat(300)])('signs sessions that both applications accept: %s', async (secret) => {
    const node = await createTestApp({ env: { SESSION_SECRET: secret } });
    nodes.push(node);
    const cookie = await sessionLogin(node, await aUser(node));
    expect(await verifySession(node, cookie)).toBe('204');
  });
});
