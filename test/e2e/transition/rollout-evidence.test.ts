import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { unavailable } from '../../../src/common/common.errors.js';
import { RefreshService } from '../../../src/auth/refresh/refresh.service.js';
import { ChangeFeed } from '../../../src/tokens/feed/change-feed.js';
import { DatabaseClock } from '../../../src/tokens/feed/database-clock.js';
import { AutopilotService } from '../../../src/transition/autopilot/autopilot.service.js';
import { RolloutFiguresService } from '../../../src/transition/autopilot/rollout-figures.service.js';
import type { FiguresByScheme } from '../../../src/transition/autopilot/comparison.js';
import { RecorderService } from '../../../src/transition/report/recorder.service.js';
import { SessionStore } from '../../../src/transition/sessions/stores/session.store.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, get, login, post, sql, tryLogin, tryRefresh } from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';
import { bySession, cookieFor, cookieOf, SECRET, sessionLogin } from './session-client.js';

/** An access token as a stranger can make one: our form, our key's id, a wrong signature. */
function forged(token: string): string {
  const [header, payload] = token.split('.');
  return `${header}.${payload}.${Buffer.alloc(256, 7).toString('base64url')}`;
}

describe('the evidence for the autopilot', () => {
  let node: TestApp;
  let user: Account;
  let admin: string;
  let cookie: string;
  beforeAll(async () => {
    node = await createTestApp({ env: { SESSION_SECRET: SECRET } });
    user = await aUser(node);
    admin = (await login(node)).access_token;
    cookie = await sessionLogin(node, user);
  });
  afterAll(() => node.close());
  beforeEach(async () => {
    await figures();
    await sql(node, 'TRUNCATE report_buckets, scheme_uses, unexpected_logouts');
  });
  afterEach(() => vi.restoreAllMocks());

  async function figures(): Promise<FiguresByScheme> {
    await node.app.get(RecorderService).flush();
    const until = node.app.get(DatabaseClock).now() + 1_000;
    return node.app
      .get(RolloutFiguresService, { strict: false })
      .between({ since: until - 3_600_000, until });
  }

  async function times(count: number, call: (n: number) => Promise<unknown>): Promise<void> {
    for (let n = 0; n < count; n += 1) await call(n);
  }
  const byToken = () => get(node, '/api/users/me', admin);
  const byCookie = () => bySession(node, cookie, { url: '/api/users/me' });
  const garbageRefresh = () => tryRefresh(node, 'garbage');
  const garbageCookie = () => bySession(node, cookieOf('s:no-such.signature'), { url: '/api/users/me' });

  describe('in a running plan', () => {
    const STEPS = [
      { percentage: 10, soak_seconds: 60 },
      { percentage: 100, soak_seconds: 60 },
    ];
    const send = (method: 'PUT' | 'PATCH', url: string, payload: object) =>
      node.app.inject({ method, url, payload, ...bearer(admin) });
    const status = async () =>
      (await get(node, '/admin/rollout/plan', admin)).json<{
        status: { state: string; next: { action: string; why: string } };
      }>().status;

    /** What the autopilot does when the step has been in force for long enough. */
    async function looked(): Promise<{ percentage: number; drain: boolean }> {
      await node.app.get(RecorderService).flush();
      await node.app.get(AutopilotService, { strict: false }).tick();
      return (await get(node, '/admin/rollout', admin)).json();
    }

    beforeEach(async () => {
      await send('PUT', '/admin/rollout/plan', { enabled: false });
      await send('PATCH', '/admin/rollout', { phase: 'gradual_rollout', percentage: 0, drain: false });
      const plan = { enabled: true, steps: STEPS, min_requests: 60, drain_on_rollback: true };
      await send('PUT', '/admin/rollout/plan', plan);
      expect(await looked()).toMatchObject({ percentage: 10 });
    });

    afterAll(async () => {
      await send('PUT', '/admin/rollout/plan', { enabled: false });
      await send('PATCH', '/admin/rollout', { percentage: 100, drain: false });
    });

    it('does not roll back because of refused requests without a principal', async () => {
      await times(60, byCookie);
      await times(60, byToken);
      await times(60, () => get(node, '/api/users/me', 'x'));
      expect(await looked()).toMatchObject({ percentage: 10, drain: false });
      expect((await status()).state).toBe('running');
    });

    it('does not advance because of requests without a principal, but does for verified ones', async () => {
      await sql(node, `UPDATE rollout_plan SET since = since - interval '2 minutes'`);
      await times(230, garbageRefresh);
      await times(230, garbageCookie);
      expect(await looked()).toMatchObject({ percentage: 10 });
      expect((await status()).next).toMatchObject({ action: 'hold' });
      await times(60, byCookie);
      await times(60, byToken);
      expect(await looked()).toMatchObject({ percentage: 100 });
    });

    it('rolls back with drain for errors of verified principals', async () => {
      await times(60, byCookie);
      await times(60, () => get(node, '/admin/users/no-uuid/revoke', admin));
      await times(60, () => post(node, '/admin/users/no-uuid/revoke', undefined, bearer(admin)));
      expect(await looked()).toMatchObject({ percentage: 0, drain: true });
    });
  });

  it('counts each request of a verified principal, for any answer', async () => {
    await byToken();
    await post(node, '/admin/users/no-uuid/revoke', undefined, bearer(admin));
    await byCookie();
    await login(node, user);
    const { bearer: tokens, session } = await figures();
    expect(tokens).toMatchObject({ requests: 3, errors: 1 });
    expect(session).toMatchObject({ requests: 1, errors: 0 });
  });

  it.each<[string, () => Promise<unknown>]>([
    ['a Bearer token that is none', () => get(node, '/api/users/me', 'x')],
    ['a forged access token', () => get(node, '/api/users/me', forged(admin))],
    ['a wrong password', () => tryLogin(node, { ...user, password: 'wrong' })],
    ['a login without a body', () => post(node, '/auth/login')],
    ['a refresh with a body of the wrong form', () => post(node, '/auth/refresh', { refresh_token: 7 })],
    ['a made-up refresh token', garbageRefresh],
    ['a made-up session cookie', garbageCookie],
    [
      'a session login with a wrong password',
      () => post(node, '/api/login', { username: 'a', password: 'b' }),
    ],
    [
      'an exchange of a made-up session',
      () => post(node, '/auth/exchange', {}, { headers: { cookie: 's' } }),
    ],
    ['a downgrade of a made-up token', () => post(node, '/auth/downgrade', { refresh_token: 'x' })],
    ['a logout with a made-up token', () => post(node, '/auth/logout', { refresh_token: 'x' })],
    [
      'a page of another site that uses the cookie of a user',
      () =>
        bySession(node, cookie, {
          method: 'POST',
          url: '/auth/password',
          payload: {},
          headers: { 'sec-fetch-site': 'cross-site' },
        }),
    ],
  ])('does not count %s', async (_, call) => {
    await call();
    const none = { requests: 0, errors: 0, users: 0, logouts: 0 };
    expect(await figures()).toEqual({ bearer: none, session: none });
  });

  it('does not count a session of an unknown user as an unexpected logout', async () => {
    const sid = `guest-${randomUUID()}`;
    const row = `INSERT INTO session VALUES ($1, '{"userId": "guest-77"}', now() + interval '1 hour')`;
    await sql(node, row, [sid]);
    await bySession(node, cookieFor(sid), { url: '/api/users/me' });
    expect(await figures()).toMatchObject({ session: { logouts: 0 } });
    expect(await sql(node, 'SELECT cause FROM unexpected_logouts')).toEqual([
      { cause: 'session_user_unknown' },
    ]);
  });

  it('counts a fault of the service at a refresh if the refresh token is genuine', async () => {
    const { refresh_token } = await login(node, user);
    const { refresh_token: other } = await login(node, user);
    await figures();
    await sql(node, 'TRUNCATE report_buckets');
    vi.spyOn(node.app.get(RefreshService), 'present').mockRejectedValue(new Error('broken'));
    expect((await tryRefresh(node, refresh_token)).statusCode).toBe(500);
    const guessed = `${other.slice(0, -6)}${other.endsWith('AAAAAA') ? 'BBBBBB' : 'AAAAAA'}`;
    expect((await tryRefresh(node, guessed)).statusCode).toBe(500);
    expect(await figures()).toMatchObject({ bearer: { requests: 1, errors: 1 } });
  });

  it('counts a fault of the service at an access token if its signature is ours', async () => {
    const feed = node.app.get(ChangeFeed);
    vi.spyOn(feed, 'isFresh').mockReturnValue(false);
    vi.spyOn(feed, 'untilFresh').mockRejectedValue(unavailable(new Error('stale')));
    expect((await byToken()).statusCode).toBe(503);
    await get(node, '/api/users/me', forged(admin));
    vi.restoreAllMocks();
    expect(await figures()).toMatchObject({ bearer: { requests: 1, errors: 1 } });
  });

  it('counts a fault of the service at a session if its cookie is signed and it lives', async () => {
    vi.spyOn(node.app.get(SessionStore), 'live').mockRejectedValue(new Error('broken'));
    expect((await byCookie()).statusCode).toBe(500);
    expect((await bySession(node, cookieFor('made-up'), { url: '/api/users/me' })).statusCode).toBe(500);
    expect(await figures()).toMatchObject({ session: { requests: 1, errors: 1 } });
  });
});
