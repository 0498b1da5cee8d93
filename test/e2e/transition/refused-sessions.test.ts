import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { checksIn } from '../../../src/admin/cli/doctor/doctor-check.js';
import { FEATURES } from '../../../src/app.module.js';
import { RecorderService } from '../../../src/transition/report/recorder.service.js';
import { RefusedSessionStore } from '../../../src/transition/report/refused/refused-session.store.js';
import { RefusedSessionsCheck } from '../../../src/transition/report/refused/refused-sessions.check.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, get, login, sql } from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';
import {
  bySession,
  cookieFor,
  cookieOf,
  SECRET,
  sessionLogin,
  sidIn,
  verifySession,
} from './session-client.js';

const PREVIOUS = 'an earlier one';
const ENV = { SESSION_SECRET: SECRET, SESSION_SECRET_PREVIOUS: PREVIOUS };

interface Cause {
  readonly cause: string;
  readonly requests: number;
  readonly share: number;
  readonly first_seen: string;
  readonly last_seen: string;
  readonly likely_cause: string;
  readonly advice: string;
}

interface Refused {
  readonly requests: number;
  readonly share: number;
  readonly not_examined: number;
  readonly causes: readonly Cause[];
  readonly note: string;
}

describe('the report on sessions that were refused because of a setting', () => {
  let node: TestApp;
  let other: TestApp | undefined;
  let user: Account;
  let admin: string;
  beforeAll(async () => {
    node = await createTestApp({ env: ENV });
    user = await aUser(node);
    admin = (await login(node)).access_token;
  });
  afterAll(async () => {
    await other?.close();
    await node.close();
  });
  beforeEach(async () => {
    await node.app.get(RecorderService).flush();
    await sql(node, 'TRUNCATE report_buckets, scheme_uses');
  });
  afterEach(() => vi.restoreAllMocks());

  async function refused(): Promise<Refused> {
    const reply = await node.app.inject({ url: '/admin/rollout/report', ...bearer(admin) });
    expect(reply.statusCode).toBe(200);
    return reply.json<{ refused_sessions: Refused }>().refused_sessions;
  }

  async function counts(): Promise<Record<string, number>> {
    return Object.fromEntries((await refused()).causes.map(({ cause, requests }) => [cause, requests]));
  }

  /** Writes the row of a session as the product does, and returns its cookie. */
  async function aSession(sess: object, { secret = SECRET, life = '1 hour' } = {}): Promise<string> {
    const sid = `of-the-product-${randomUUID()}`;
    await sql(node, `INSERT INTO session VALUES ($1, $2::json, now() + $3::interval)`, [
      sid,
      JSON.stringify({ cookie: { path: '/' }, ...sess }),
      life,
    ]);
    return cookieFor(sid, secret);
  }

  it.each<[string, string, () => Promise<string>, RegExp]>([
    ['unknown_user', 'Tandem does not know the user', () => aSession({ userId: 'legacy-77' }), /external_id/],
    ['no_user', 'nobody has logged in', () => aSession({ cart: 3 }), /SESSION_USER_KEY/],
    ['no_user', 'the user is at another path', () => aSession({ passport: { user: user.id } }), /doctor/],
    [
      'other_secret',
      'the product signs live sessions with another secret',
      () => aSession({ userId: user.id }, { secret: 'another' }),
      /SESSION_SECRET_PREVIOUS/,
    ],
    [
      'other_secret',
      'the secret and the table differ',
      () => Promise.resolve(cookieFor(randomUUID(), 'another')),
      /SESSION_SECRET /,
    ],
    ['other_table', 'no such row exists', () => Promise.resolve(cookieFor(randomUUID())), /SESSION_TABLE/],
    [
      'other_table',
      'no such row exists and the secret is a previous one',
      () => Promise.resolve(cookieFor(randomUUID(), PREVIOUS)),
      /SESSION_TABLE/,
    ],
    [
      'other_cookie',
      'the cookie is not signed',
      () => Promise.resolve(cookieOf('abc')),
      /SESSION_COOKIE_NAME/,
    ],
    [
      'administrator',
      'the product began a session of an administrator',
      async () =>
        aSession({
          userId: (await sql<{ id: string }>(node, `SELECT id FROM users WHERE role = 'admin'`))[0]!.id,
        }),
      /USERS_SOURCE_MAY_MAKE_ADMINS/,
    ],
  ])('names %s if %s', async (cause, _why, cookie, advice) => {
    const presented = await cookie();
    for (let time = 0; time < 3; time++)
      expect(await verifySession(node, presented)).toBe('401 session_invalid');
    const view = await refused();
    expect(view).toMatchObject({ requests: 3, share: 1, not_examined: 0 });
    expect(view.note).toContain('strangers may have sent');
    expect(view.causes).toHaveLength(1);
    const [found] = view.causes;
    expect(found).toMatchObject({ cause, requests: 3, share: 1, advice: expect.stringMatching(advice) });
    expect(Date.parse(found!.last_seen)).toBeGreaterThanOrEqual(Date.parse(found!.first_seen));
  });

  it('names no setting for sessions that were accepted or refused on purpose', async () => {
    expect(await verifySession(node, await aSession({ userId: user.id }, { secret: PREVIOUS }))).toBe('204');
    const disabled = await aUser(node);
    const [out, deleted] = [await sessionLogin(node, user), await sessionLogin(node, user)];
    await bySession(node, out, { method: 'POST', url: '/api/logout' });
    await sql(node, 'DELETE FROM session WHERE sid = $1', [sidIn(deleted)]);
    await sql(node, 'UPDATE users SET disabled_at = now() WHERE id = $1', [disabled.id]);
    const two = `${await aSession({ userId: user.id })}; ${await sessionLogin(node, await aUser(node))}`;
    const cookies = [
      out,
      deleted,
      two,
      await aSession({ userId: disabled.id }),
      await aSession({ userId: user.id }, { life: '-1 hour' }),
      await aSession({ userId: 'legacy-77' }, { life: '-1 hour' }),
      await aSession({ cart: 3 }, { life: '-1 hour' }),
    ];
    for (const cookie of cookies) expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    const bad = { authorization: 'Bearer nonsense', cookie: cookieFor(randomUUID()) };
    expect((await node.app.inject({ url: '/auth/verify', headers: bad })).statusCode).toBe(401);
    expect(await refused()).toMatchObject({ requests: 0, share: 0, not_examined: 0, causes: [] });
  });

  it('gives the share of all requests by session, the most frequent cause first', async () => {
    const [fine, unknown, other] = [
      await sessionLogin(node, user),
      await aSession({ userId: 'legacy-77' }),
      cookieFor(randomUUID(), 'another'),
    ];
    await node.app.get(RecorderService).flush();
    await sql(node, 'TRUNCATE report_buckets, scheme_uses');
    for (const [cookie, times] of [
      [fine, 5],
      [unknown, 1],
      [other, 2],
    ] as const)
      for (let time = 0; time < times; time++) await verifySession(node, cookie);
    const view = await refused();
    expect(view).toMatchObject({ requests: 3, share: 0.375 });
    expect(view.causes.map(({ cause, share }) => [cause, share])).toEqual([
      ['other_secret', 0.25],
      ['unknown_user', 0.125],
    ]);
  });

  it('does not suspect the table while other sessions are accepted', async () => {
    const [fine, gone] = [await sessionLogin(node, user), cookieFor(randomUUID())];
    for (const cookie of [fine, fine, gone]) await verifySession(node, cookie);
    expect((await refused()).causes[0]).toMatchObject({
      cause: 'other_table',
      likely_cause: expect.stringContaining('probably ended'),
    });
  });

  it('adds up the counts of two nodes, and shows them in the metrics of each', async () => {
    // Open until the end: Passport keeps one strategy of a name in a process.
    other = await createTestApp({ env: ENV, db: node.db });
    const cookie = await aSession({ userId: 'legacy-78' });
    for (const one of [node, other, other]) await verifySession(one, cookie);
    await other.app.get(RecorderService).flush();
    expect(await counts()).toEqual({ unknown_user: 3 });
    const series = 'tandem_refused_sessions_total{cause="unknown_user"} 2';
    expect((await get(other, '/metrics')).body).toContain(series);
  });

  it('counts each refusal once if the database is unavailable when it is examined', async () => {
    const cookie = await aSession({ userId: 'legacy-79' });
    vi.spyOn(node.app.get(RefusedSessionStore), 'facts').mockRejectedValueOnce(new Error('away'));
    for (let time = 0; time < 2; time++) await verifySession(node, cookie);
    await node.app.get(RecorderService).flush();
    await verifySession(node, cookie);
    expect(await counts()).toEqual({ unknown_user: 3 });
  });

  it('still names the cause of an honest client during a flood, and says what it did not examine', async () => {
    const cookie = await aSession({ userId: 'legacy-80' });
    const call = (value: string, remoteAddress: string) =>
      node.app.inject({ url: '/auth/verify', remoteAddress, headers: { cookie: value } });
    const flood = Array.from({ length: 700 }, () => cookieFor(randomUUID(), 'of a stranger'));
    // The background examination must not come in between: it would make room.
    const flush = vi.spyOn(node.app.get(RecorderService), 'flush').mockResolvedValue();
    for (const [index, made] of flood.entries()) {
      if (index === 600) await call(cookie, '198.51.100.7');
      await call(made, '203.0.113.9');
    }
    flush.mockRestore();
    const view = await refused();
    const found = Object.fromEntries(view.causes.map(({ cause, requests }) => [cause, requests]));
    expect(found['unknown_user']).toBe(1);
    expect(found['other_secret']).toBe(499);
    expect(view.requests + view.not_examined).toBe(701);
  });

  it('is no evidence for the rollout, and contains no secret', async () => {
    const cookie = await aSession({ userId: 'legacy-81' });
    await verifySession(node, cookie);
    await verifySession(node, cookieFor('of a stranger', 'another'));
    const text = JSON.stringify(await refused());
    for (const secret of [SECRET, PREVIOUS, sidIn(cookie), 'legacy-81', 'of a stranger'])
      expect(text).not.toContain(secret);
    const kinds = await sql<{ kind: string }>(
      node,
      `SELECT DISTINCT kind FROM report_buckets WHERE scheme = 'session' ORDER BY 1`,
    );
    expect(kinds.map(({ kind }) => kind)).toEqual(['error', 'latency', 'refused']);
  });

  it('is a check of the doctor, which warns of a frequent cause and never fails', async () => {
    expect(checksIn(FEATURES)).toContain(RefusedSessionsCheck);
    const check = node.app.get(RefusedSessionsCheck);
    expect(await check.examine()).toMatchObject([
      { level: 'ok', message: expect.stringMatching(/^0 requests/) },
    ]);
    await verifySession(node, cookieFor(randomUUID(), 'another'));
    await node.app.get(RecorderService).flush();
    const [warning, ...more] = await check.examine();
    expect(more).toEqual([]);
    expect(warning).toMatchObject({
      check: 'refused_sessions',
      level: 'warn',
      message: expect.stringMatching(/^other_secret: 1 request refused \(100\.0 % of all/),
      advice: expect.stringMatching(/Set SESSION_SECRET .* Strangers may have sent/),
    });
    const fine = await aSession({ userId: user.id });
    for (let time = 0; time < 110; time++) await verifySession(node, fine);
    await node.app.get(RecorderService).flush();
    expect(await check.examine()).toMatchObject([
      { level: 'ok', message: expect.stringMatching(/^1 request /) },
    ]);
  });
});
