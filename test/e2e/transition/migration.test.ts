import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, codeOf, login, sql, tryLogin, until } from '../../helpers/client.js';
import type { Account, Reply } from '../../helpers/client.js';
import {
  SECRET,
  bySession,
  cookieFor,
  sessionLogin,
  trySessionLogin,
  verifySession,
} from './session-client.js';

const SUNSET = '2031-02-03T04:05:06.000Z';
const GUIDE = 'http://tandem.test/transition/guide';
const HEADERS = ['deprecation', 'sunset', 'link'];

describe('the end of sessions', () => {
  let node: TestApp;
  let other: TestApp;
  let token: string;
  let user: Account;
  let cookie: string;
  beforeAll(async () => {
    node = await createTestApp({ env: { SESSION_SECRET: SECRET, CORS_ORIGINS: 'https://app.example.com' } });
    other = await createTestApp({ db: node.db, env: { SESSION_SECRET: SECRET } });
    token = (await login(node)).access_token;
    user = await aUser(node);
  });
  afterAll(async () => {
    await other.close();
    await node.close();
  });
  beforeEach(async () => {
    await change({ phase: 'gradual_rollout', percentage: 100, user_ids: [], sunset_at: null, brownouts: [] });
    cookie = await sessionLogin(node, user);
  });

  async function change(payload: object): Promise<void> {
    const reply = await node.app.inject({
      method: 'PATCH',
      url: '/admin/rollout',
      payload,
      ...bearer(token),
    });
    if (reply.statusCode !== 200) throw new Error(reply.body);
  }

  const announce = (more: object = {}) => change({ phase: 'deprecation_notice', sunset_at: SUNSET, ...more });
  const migration = (headers: Record<string, string> = {}) =>
    node.app.inject({ url: '/auth/migration', headers });
  const said = (reply: Reply) => HEADERS.filter((name) => reply.headers[name] !== undefined);

  it('is announced in every answer to a request by session, and in no other', async () => {
    const path = { url: '/api/users/me' };
    expect(said(await bySession(node, cookie, path))).toEqual([]);
    const before = Math.floor(Date.now() / 1000) - 1;
    await announce();
    const reply = await bySession(node, cookie, path);
    expect(reply.statusCode).toBe(200);
    expect(reply.headers['deprecation']).toMatch(/^@\d{10}$/);
    const since = Number(String(reply.headers['deprecation']).slice(1));
    expect(since).toBeGreaterThanOrEqual(before);
    expect(since).toBeLessThanOrEqual(Date.now() / 1000 + 1);
    expect(reply.headers['sunset']).toBe('Mon, 03 Feb 2031 04:05:06 GMT');
    expect(reply.headers['link']).toBe(`<${GUIDE}>; rel="deprecation"`);
    for (const call of [{ url: '/admin/users' }, { url: '/auth/devices' }, { url: '/api/users?limit=0' }]) {
      expect(said(await bySession(node, cookie, call))).toEqual(HEADERS);
    }
    expect(said(await trySessionLogin(node, user))).toEqual(HEADERS);
    for (const answer of [
      await node.app.inject({ ...path, ...bearer(token) }),
      await node.app.inject({ ...path, headers: { ...bearer(token).headers, cookie } }),
      await node.app.inject({ url: '/health/live' }),
      await tryLogin(node, user),
      await bySession(node, cookieFor('nobody'), path),
    ]) {
      expect(said(answer)).toEqual([]);
    }
  });

  it('keeps the date of the announcement on every node when the rollout changes', async () => {
    await announce();
    const moment = `UPDATE rollout_versions SET at = '2020-01-01T00:00:00Z'
      WHERE version = (SELECT max(version) FROM rollout_versions)`;
    await sql(node, moment);
    await announce({ percentage: 50 });
    await announce({ sunset_at: '2032-01-01T00:00:00Z' });
    for (const one of [node, other]) {
      await until(async () => {
        const { headers } = await bySession(one, cookie, { url: '/api/users/me' });
        return headers['deprecation'] === `@${Date.parse('2020-01-01T00:00:00Z') / 1000}`;
      }, 5_000);
    }
    await change({ phase: 'gradual_rollout' });
    await announce({ percentage: 50 });
    await until(async () => {
      const { headers } = await bySession(node, cookie, { url: '/api/users/me' });
      return Number(String(headers['deprecation']).slice(1)) > Date.now() / 1000 - 60;
    }, 5_000);
  });

  it('is announced in headers that pages of listed origins can read', async () => {
    await announce();
    const headers = { origin: 'https://app.example.com' };
    const reply = await bySession(node, cookie, { url: '/api/users/me', headers });
    expect(reply.headers['access-control-expose-headers']).toMatch(/Deprecation, Sunset, Link$/);
  });

  it('is described to everybody, and shows the banner to session users', async () => {
    expect((await migration()).json()).toEqual({
      phase: 'gradual_rollout',
      banner: { show: false, message: expect.any(String), sunset_at: null, guide_url: GUIDE },
    });
    expect((await migration({ cookie })).json()).toMatchObject({ banner: { show: false }, eligible: true });
    await announce();
    const reply = await migration({ cookie });
    expect(reply.json()).toEqual({
      phase: 'deprecation_notice',
      banner: {
        show: true,
        message: expect.stringContaining('3 February 2031'),
        sunset_at: SUNSET,
        guide_url: GUIDE,
      },
      eligible: true,
    });
    expect(reply.headers['cache-control']).toBe('no-store');
    const others: Record<string, string>[] = [
      {},
      { cookie: cookieFor('nobody') },
      { cookie: 'session_id=garbage' },
      { ...bearer(token).headers, cookie },
    ];
    for (const headers of others) {
      const view = (await migration(headers)).json<{ banner: { show: boolean }; eligible?: boolean }>();
      expect([view.banner.show, view.eligible]).toEqual([false, undefined]);
    }
    // The same session twice is one session.
    expect((await migration({ cookie: `${cookie}; ${cookie}` })).json()).toMatchObject({ eligible: true });
  });

  it('says whether the user may move now', async () => {
    await change({ percentage: 0 });
    expect((await migration({ cookie })).json()).toMatchObject({ eligible: false });
    await change({ user_ids: [user.id] });
    expect((await migration({ cookie })).json()).toMatchObject({ eligible: true });
    await change({ phase: 'off' });
    expect((await migration({ cookie })).json()).toMatchObject({ eligible: false });
  });

  it('is described to pages of listed origins', async () => {
    const reply = await migration({
      cookie,
      origin: 'https://app.example.com',
      'sec-fetch-site': 'cross-site',
    });
    expect(reply.statusCode).toBe(200);
    expect(reply.headers['access-control-allow-origin']).toBe('https://app.example.com');
    expect(reply.headers['access-control-allow-credentials']).toBe('true');
    const elsewhere = await migration({ cookie, origin: 'https://other.example.com' });
    expect(elsewhere.headers['access-control-allow-origin']).toBeUndefined();
  });

  it('is rehearsed by brownouts that state when they end', async () => {
    const to = new Date(Date.now() + 3_600_000).toISOString();
    await announce({ brownouts: [{ from: new Date(Date.now() - 1_000).toISOString(), to }] });
    const reply = await bySession(node, cookie, { url: '/api/users/me' });
    expect([reply.statusCode, codeOf(reply)]).toEqual([401, 'sessions_brownout']);
    expect(reply.json<{ detail: string }>().detail).toContain(to);
    expect(Number(reply.headers['retry-after'])).toBeGreaterThan(3_500);
    expect(said(reply)).toEqual(HEADERS);
    expect((await migration({ cookie })).json()).toMatchObject({ banner: { show: true }, eligible: true });
    await announce({ brownouts: [] });
    expect(await verifySession(node, cookie)).toBe('204');
  });

  it('refuses cookies and session logins after the sunset, and accepts tokens', async () => {
    await announce({ sunset_at: new Date(Date.now() - 1_000).toISOString() });
    const reply = await bySession(node, cookie, { url: '/api/users/me' });
    expect([reply.statusCode, codeOf(reply)]).toEqual([401, 'sessions_removed']);
    expect(said(reply)).toEqual(HEADERS);
    const again = await trySessionLogin(node, user);
    expect([again.statusCode, codeOf(again)]).toEqual([410, 'sessions_removed']);
    expect((await migration({ cookie })).json()).toMatchObject({
      phase: 'sessions_removed',
      banner: { show: true, message: expect.stringContaining('sign in again') },
    });
    expect((await migration()).json()).toMatchObject({ banner: { show: false } });
    expect((await tryLogin(node, user)).statusCode).toBe(200);
  });
});
