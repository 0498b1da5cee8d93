import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, post, sql, until, tokensOf } from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';
import {
  NAME,
  SECRET,
  bySession,
  cookieFor,
  sessionCookie,
  sessionLogin,
  sidIn,
  verifySession,
} from './session-client.js';

describe('the life of a session', () => {
  let node: TestApp;
  /** Lets sessions without a maximum age live a year. */
  let generous: TestApp;
  /** Has another secret. That of the first node is a previous one. */
  let rotated: TestApp;
  let user: Account;
  beforeAll(async () => {
    node = await createTestApp({ env: { SESSION_SECRET: SECRET, SESSION_EXPIRY: '3600' } });
    const { db } = node;
    generous = await createTestApp({ env: { SESSION_SECRET: SECRET, SESSION_EXPIRY: '31536000' }, db });
    const previous = JSON.stringify(['another', SECRET]);
    rotated = await createTestApp({
      env: { SESSION_SECRET: 'a newer one', SESSION_SECRET_PREVIOUS: previous },
      db,
    });
    user = await aUser(node);
  });
  afterAll(async () => {
    await rotated.close();
    await generous.close();
    await node.close();
  });

  /** The version of the row, and the seconds that are left. */
  async function rowOf(cookie: string): Promise<{ version: string; left: number }> {
    const [row] = await sql<{ version: string; left: number }>(
      node,
      `SELECT xmin::text AS version, extract(epoch FROM expire::timestamptz - now())::float8 AS left FROM session WHERE sid = $1`,
      [sidIn(cookie)],
    );
    return row!;
  }

  const call = (cookie: string) => bySession(node, cookie, { url: '/api/users/me' });

  const leave = (cookie: string, seconds: number) =>
    sql(node, `UPDATE session SET expire = now() + make_interval(secs => $2) WHERE sid = $1`, [
      sidIn(cookie),
      seconds,
    ]);

  it('is extended while the session is used, with occasional writes', async () => {
    const cookie = await sessionLogin(node, user);
    const made = await rowOf(cookie);
    for (let i = 0; i < 5; i++) expect((await call(cookie)).cookies).toEqual([]);
    expect((await rowOf(cookie)).version).toBe(made.version);
    await leave(cookie, 600);
    const reply = await call(cookie);
    expect(reply.cookies).toMatchObject([
      { name: NAME, value: decodeURIComponent(cookie.slice(NAME.length + 1)), maxAge: 3_600, httpOnly: true },
    ]);
    const slid = await rowOf(cookie);
    expect(slid.left).toBeGreaterThan(3_590);
    for (let i = 0; i < 5; i++) expect((await call(cookie)).cookies).toEqual([]);
    expect((await rowOf(cookie)).version).toBe(slid.version);
  });

  it('is extended once by many simultaneous requests', async () => {
    const cookie = await sessionLogin(node, user);
    await leave(cookie, 600);
    await sql(node, `CREATE TABLE writes (sid text)`);
    await sql(
      node,
      `CREATE FUNCTION note_write() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN INSERT INTO writes VALUES (new.sid); RETURN new; END $$`,
    );
    await sql(
      node,
      `CREATE TRIGGER writes AFTER UPDATE ON session FOR EACH ROW EXECUTE FUNCTION note_write()`,
    );
    const replies = await Promise.all(Array.from({ length: 12 }, () => call(cookie)));
    await sql(node, `DROP TRIGGER writes ON session`);
    expect(replies.map(({ statusCode }) => statusCode)).toEqual(Array.from({ length: 12 }, () => 200));
    expect(replies.filter(({ cookies }) => cookies.length > 0)).toHaveLength(1);
    expect(await sql(node, `SELECT sid FROM writes`)).toEqual([{ sid: sidIn(cookie) }]);
  });

  it('is extended for many sessions in a few statements, and a locked session waits for its next request', async () => {
    const cookies = await Promise.all(Array.from({ length: 40 }, () => sessionLogin(node, user)));
    for (const cookie of cookies) await leave(cookie, 600);
    await node.db.database.transaction(async (held) => {
      await held.query(`SELECT 1 FROM session WHERE sid = $1 FOR UPDATE`, [sidIn(cookies[0]!)]);
      const replies = await Promise.all(cookies.map(call));
      expect(replies.map((reply) => reply.cookies.length)).toEqual([
        0,
        ...Array.from({ length: 39 }, () => 1),
      ]);
    });
    expect((await rowOf(cookies[0]!)).left).toBeLessThan(601);
    expect((await rowOf(cookies[1]!)).left).toBeGreaterThan(3_590);
    expect((await call(cookies[0]!)).cookies).toHaveLength(1);
    expect(
      new Set(await Promise.all(cookies.slice(1).map(async (c) => (await rowOf(c)).version))).size,
    ).toBeLessThan(39);
  });

  it('is never shortened, and a cookie that ends with the browser gets no expiry', async () => {
    const cookie = await sessionLogin(node, user);
    await leave(cookie, 90_000);
    expect((await call(cookie)).cookies).toEqual([]);
    expect((await rowOf(cookie)).left).toBeGreaterThan(89_000);
    await sql(
      node,
      `UPDATE session SET expire = now() + interval '1 minute',
         sess = jsonb_set(sess::jsonb, '{cookie}', '{"originalMaxAge":null,"path":"/"}')::json WHERE sid = $1`,
      [sidIn(cookie)],
    );
    expect((await call(cookie)).cookies).toEqual([]);
    expect((await rowOf(cookie)).left).toBeGreaterThan(3_590);
  });

  it.each([
    ['shorter than SESSION_EXPIRY', '900000', 900],
    ['longer than SESSION_EXPIRY', '7200000', 7_200],
    ['too large for PostgreSQL, which becomes ten years', '1e300', 315_360_000],
    ['text, which is no age', '"7200000"', 3_600],
  ])('lives as long as its own maximum age after a use: %s', async (_, age, seconds) => {
    const cookie = await sessionLogin(node, user);
    await sql(
      node,
      `UPDATE session SET sess = jsonb_set(sess::jsonb, '{cookie,originalMaxAge}', $2::jsonb)::json WHERE sid = $1`,
      [sidIn(cookie), age],
    );
    await leave(cookie, 60);
    expect((await call(cookie)).statusCode).toBe(200);
    const { left } = await rowOf(cookie);
    expect(left).toBeGreaterThan(seconds - 30);
    expect(left).toBeLessThanOrEqual(seconds);
  });

  it('gets a day at most without a maximum age, even if SESSION_EXPIRY is a year', async () => {
    const cookie = await sessionLogin(generous, user);
    await sql(
      node,
      `UPDATE session SET expire = now() + interval '1 minute',
         sess = jsonb_set(sess::jsonb, '{cookie}', '{"originalMaxAge":null,"path":"/"}')::json WHERE sid = $1`,
      [sidIn(cookie)],
    );
    expect((await bySession(generous, cookie, { url: '/api/users/me' })).statusCode).toBe(200);
    const { left } = await rowOf(cookie);
    expect(left).toBeGreaterThan(86_370);
    expect(left).toBeLessThanOrEqual(86_400);
  });

  it('is accepted with a cookie of a previous secret, and renewed with the current one', async () => {
    const cookie = await sessionLogin(node, user);
    await leave(cookie, 60);
    const reply = await bySession(rotated, cookie, { url: '/api/users/me' });
    const forged = cookieFor(sidIn(cookie), 'a wrong one');
    const refused = await verifySession(rotated, forged);
    expect(reply.statusCode).toBe(200);
    expect(sessionCookie(reply)).toBe(cookieFor(sidIn(cookie), 'a newer one'));
    expect(refused).toBe('401 session_invalid');
    expect(await verifySession(node, sessionCookie(reply)!)).toBe('401 session_invalid');
  });

  it('keeps the domain and path that another application gave the cookie', async () => {
    const cookie = await sessionLogin(node, user);
    await sql(
      node,
      `UPDATE session SET sess = jsonb_set(sess::jsonb, '{cookie}',
         '{"originalMaxAge":60000,"domain":"example.com","path":"/app","secure":true,"sameSite":"none"}')::json WHERE sid = $1`,
      [sidIn(cookie)],
    );
    await leave(cookie, 30);
    const [kept] = (await call(cookie)).cookies;
    expect(kept).toMatchObject({ domain: 'example.com', path: '/app', secure: true, sameSite: 'None' });
    const next = await node.app.inject({
      method: 'POST',
      url: '/api/login',
      headers: { cookie },
      payload: { username: user.username, password: user.password },
    });
    expect(next.cookies.filter(({ name }) => name === NAME)).toMatchObject([
      { domain: 'example.com', path: '/app' },
    ]);
    const out = await bySession(node, sessionCookie(next)!, { method: 'POST', url: '/api/logout' });
    expect(out.cookies).toMatchObject([{ name: NAME, value: '', domain: 'example.com', path: '/app' }]);
  });

  it('is not extended beyond the life of the downgraded family', async () => {
    const tokens = tokensOf(
      await post(node, '/auth/login', { username: user.username, password: user.password }),
    );
    const reply = await post(node, '/auth/downgrade', { refresh_token: tokens.refresh_token });
    const cookie = sessionCookie(reply)!;
    await sql(node, `UPDATE session_fates SET ends_at = now() + interval '20 minutes' WHERE sid = $1`, [
      sidIn(cookie),
    ]);
    await leave(cookie, 60);
    expect((await call(cookie)).cookies[0]!.maxAge).toBeLessThanOrEqual(1_200);
    expect((await rowOf(cookie)).left).toBeLessThanOrEqual(1_200);
    // Another application may have it live on: not here, and before long not there either.
    await leave(cookie, 90_000);
    await sql(node, `UPDATE session_fates SET ends_at = now() WHERE sid = $1`, [sidIn(cookie)]);
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    await until(async () => {
      return (await sql(node, `SELECT 1 FROM session WHERE sid = $1`, [sidIn(cookie)])).length === 0;
    }, 10_000);
  });

  it('is visible only in the cookie of an answer', async () => {
    const cookie = await sessionLogin(node, user);
    const replies = [await call(cookie), await bySession(node, cookie, { url: '/auth/devices' })];
    for (const reply of replies) {
      expect(reply.body).not.toContain(sidIn(cookie));
      expect(JSON.stringify(reply.headers)).not.toContain(sidIn(cookie));
    }
  });
});
