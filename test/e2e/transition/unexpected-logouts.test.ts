import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { generateKey } from '../../../src/tokens/keys/key-material.js';
import { KeyAdministrationService } from '../../../src/tokens/keys/key-administration.service.js';
import { KeyRingService } from '../../../src/tokens/keys/key-ring.service.js';
import { RefreshTokenStore } from '../../../src/tokens/families/refresh-token.store.js';
import { ChangeFeed } from '../../../src/tokens/feed/change-feed.js';
import { DatabaseClock } from '../../../src/tokens/feed/database-clock.js';
import { SigningKeyStore } from '../../../src/tokens/keys/signing-key.store.js';
import { RecorderService } from '../../../src/transition/report/recorder.service.js';
import { RolloutService } from '../../../src/transition/rollout/rollout.service.js';
import { SessionStore } from '../../../src/transition/sessions/stores/session.store.js';
import { createTestApp, TEST_SECRET } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import {
  aUser,
  bearer,
  codeOf,
  get,
  login,
  post,
  refresh,
  sidOf,
  sql,
  tryRefresh,
  until,
  verify,
} from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';
import { createTestDatabase } from '../../helpers/database.js';
import {
  bySession,
  cookieFor,
  SECRET,
  sessionCookie,
  sessionLogin,
  sidIn,
  verifySession,
} from './session-client.js';

const ENV = { SESSION_SECRET: SECRET };

/** Unexpected logouts by scheme and cause, after the nodes have judged what they recorded. */
async function logouts(...nodes: TestApp[]): Promise<Record<string, number>> {
  for (const node of nodes) await node.app.get(RecorderService).flush();
  const rows = await sql<{ what: string; n: number }>(
    nodes[0]!,
    `SELECT scheme || ' ' || cause AS what, count(*)::int AS n FROM unexpected_logouts GROUP BY 1`,
  );
  return Object.fromEntries(rows.map(({ what, n }) => [what, n]));
}

describe('an unexpected logout', () => {
  let node: TestApp;
  let user: Account;
  const others: TestApp[] = [];
  beforeAll(async () => {
    node = await createTestApp({ env: ENV });
    user = await aUser(node);
  });
  afterAll(async () => {
    for (const other of others) await other.close();
    await node.close();
  });
  beforeEach(async () => {
    await sql(node, 'TRUNCATE unexpected_logouts');
  });
  afterEach(() => vi.restoreAllMocks());

  async function another(env: Record<string, string>): Promise<TestApp> {
    const other = await createTestApp({ env: { ...ENV, ...env }, db: node.db });
    others.push(other);
    return other;
  }

  it('is key_removed if a key leaves the ring before its tokens expire', async () => {
    const { access_token } = await login(node, user);
    const [ring, store] = [node.app.get(KeyRingService), node.app.get(SigningKeyStore)];
    const [{ kid }] = (await sql<{ kid: string }>(node, 'SELECT kid FROM signing_keys')) as [{ kid: string }];
    const next = await generateKey(2048, TEST_SECRET);
    await store.withLock((inside) => store.add(inside, next, 0, 'rotated', NO_ORIGIN));
    await ring.reload();
    await sql(node, 'DELETE FROM signing_keys WHERE kid = $1', [kid]);
    await ring.reload();
    for (let time = 0; time < 3; time++) expect(await verify(node, access_token)).toBe('401 token_invalid');
    expect(await logouts(node)).toEqual({ 'bearer key_removed': 1 });
  });

  it('is expired_early if the clock runs ahead', async () => {
    const { access_token } = await login(node, user);
    expect(await verify(node, access_token)).toBe('204');
    const clock = node.app.get(DatabaseClock);
    vi.spyOn(clock, 'now').mockReturnValueOnce(clock.now() + 3_600_000);
    expect(await verify(node, access_token)).toBe('401 token_expired');
    expect(await logouts(node)).toEqual({ 'bearer expired_early': 1 });
  });

  it('is revoked_without_ending if no revocation of the family explains the refusal', async () => {
    const tokens = await login(node, user);
    const expires = node.app.get(DatabaseClock).now() + 60_000;
    node.app.get(ChangeFeed).publish([{ kind: 'sid', subject: sidOf(tokens), epoch: null, expires }]);
    expect(await verify(node, tokens.access_token)).toBe('401 token_revoked');
    expect(await logouts(node)).toEqual({ 'bearer revoked_without_ending': 1 });
  });

  it('is login_missing if the row of the family is missing', async () => {
    const tokens = await login(node, user);
    const next = await refresh(node, tokens.refresh_token);
    await sql(node, 'DELETE FROM refresh_tokens WHERE id = $1', [sidOf(tokens)]);
    for (let time = 0; time < 2; time++)
      expect(codeOf(await tryRefresh(node, next.refresh_token))).toBe('refresh_token_invalid');
    expect(await logouts(node)).toEqual({ 'bearer login_missing': 1 });
  });

  it('is ended_without_reason if somebody revoked the row by hand', async () => {
    const tokens = await login(node, user);
    await sql(node, 'UPDATE refresh_tokens SET revoked_at = now() WHERE id = $1', [sidOf(tokens)]);
    expect(codeOf(await tryRefresh(node, tokens.refresh_token))).toBe('refresh_token_revoked');
    expect(await logouts(node)).toEqual({ 'bearer ended_without_reason': 1 });
  });

  it('is refresh_forgotten if the database has lost a refresh', async () => {
    const tokens = await login(node, user);
    const next = await refresh(node, tokens.refresh_token);
    await sql(node, 'UPDATE refresh_tokens SET generation = 0 WHERE id = $1', [sidOf(tokens)]);
    expect(codeOf(await tryRefresh(node, next.refresh_token))).toBe('refresh_token_invalid');
    expect(await logouts(node)).toEqual({ 'bearer refresh_forgotten': 1 });
  });

  it('is reuse_in_window if a repeated token is treated as reused', async () => {
    const tokens = await login(node, user);
    await refresh(node, tokens.refresh_token);
    const store = node.app.get(RefreshTokenStore);
    const found = await store.find(sidOf(tokens));
    vi.spyOn(store, 'find').mockResolvedValueOnce({ ...found!, age: 1e9 });
    expect(codeOf(await tryRefresh(node, tokens.refresh_token))).toBe('refresh_token_reused');
    expect(codeOf(await tryRefresh(node, tokens.refresh_token))).toBe('refresh_token_revoked');
    expect(await logouts(node)).toEqual({ 'bearer reuse_in_window': 1 });
  });

  it('is not_enabled if the flag refuses a family without a drain', async () => {
    const { refresh_token } = await login(node, user);
    const rollout = node.app.get(RolloutService);
    vi.spyOn(rollout, 'restrictsExistingFamilies').mockReturnValueOnce(true);
    vi.spyOn(rollout, 'mayContinue').mockResolvedValueOnce(false);
    expect(codeOf(await tryRefresh(node, refresh_token))).toBe('jwt_not_enabled');
    expect(await logouts(node)).toEqual({ 'bearer not_enabled': 1 });
  });

  it('is secret_changed if JWT_SECRET was replaced without the previous one', async () => {
    const db = await createTestDatabase();
    const secret = 'YW5vdGhlci1zZWNyZXQtb2YtdGVzdHMtMDEyMzQ1Njc4OQ';
    const nodes: TestApp[] = [];
    try {
      const start = async (env: Record<string, string>) => {
        nodes.push(await createTestApp({ db, env: { ...ENV, ...env } }));
        return nodes.at(-1)!;
      };
      const { refresh_token } = await login(await start({}));
      await start({ JWT_SECRET: secret, JWT_SECRET_PREVIOUS: TEST_SECRET });
      const last = await start({ JWT_SECRET: secret });
      expect(codeOf(await tryRefresh(last, refresh_token))).toBe('refresh_token_invalid');
      expect(await logouts(last)).toEqual({ 'bearer secret_changed': 1 });
    } finally {
      for (const one of nodes) await one.close();
      await db.drop();
    }
  });

  it('is session_secret_changed if SESSION_SECRET was replaced', async () => {
    const other = await another({ SESSION_SECRET: 'another one' });
    const cookie = await sessionLogin(node, user);
    for (let time = 0; time < 2; time++)
      expect(await verifySession(other, cookie)).toBe('401 session_invalid');
    expect(await logouts(node, other)).toEqual({ 'session session_secret_changed': 1 });
  });

  it('is session_user_unknown if the user was not imported', async () => {
    await sql(node, `INSERT INTO session VALUES ($1, '{"userId": "legacy-77"}', now() + interval '1 hour')`, [
      'of-the-old-application',
    ]);
    expect(await verifySession(node, cookieFor('of-the-old-application'))).toBe('401 session_invalid');
    expect(await logouts(node)).toEqual({ 'session session_user_unknown': 1 });
  });

  it('is unexplained if nothing is wrong', async () => {
    const { access_token } = await login(node, user);
    vi.spyOn(node.app.get(KeyRingService), 'verificationKey').mockReturnValueOnce(undefined);
    expect(await verify(node, access_token)).toBe('401 token_invalid');
    const cookie = await sessionLogin(node, user);
    vi.spyOn(node.app.get(SessionStore), 'live').mockResolvedValueOnce(undefined);
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    expect(await logouts(node)).toEqual({ 'bearer unexplained': 1, 'session unexplained': 1 });
  });

  it('appears in the report and the metrics, and counts once if two nodes refuse it', async () => {
    const other = await another({});
    const tokens = await login(node, user);
    await sql(node, 'UPDATE refresh_tokens SET revoked_at = now() WHERE id = $1', [sidOf(tokens)]);
    for (const one of [node, other]) await tryRefresh(one, tokens.refresh_token);
    expect(await logouts(node, other)).toEqual({ 'bearer ended_without_reason': 1 });
    const reply = await get(node, '/admin/rollout/report', (await login(node)).access_token);
    const { schemes, buckets } = reply.json<{
      schemes: { bearer: object; session: object };
      buckets: { schemes: { bearer: { unexpected_logouts: { total: number } } } }[];
    }>();
    const unexpected_logouts = { total: 1, by_cause: { ended_without_reason: 1 } };
    expect(schemes).toMatchObject({
      bearer: { unexpected_logouts },
      session: { unexpected_logouts: { total: 0, by_cause: {} } },
    });
    const sum = buckets.reduce((all, bucket) => all + bucket.schemes.bearer.unexpected_logouts.total, 0);
    expect(sum).toBe(1);
    const texts = await Promise.all([node, other].map(async (one) => (await get(one, '/metrics')).body));
    const series = /^tandem_unexpected_logouts_total\{scheme="bearer",cause="ended_without_reason"\} (\d+)$/m;
    const counted = texts.map((text) => Number(series.exec(text)?.[1] ?? 0));
    expect(counted[0]! + counted[1]!).toBeGreaterThanOrEqual(1);
  });

  it('is found later if the database is unavailable when it happens', async () => {
    const tokens = await login(node, user);
    await sql(node, 'UPDATE refresh_tokens SET revoked_at = now() WHERE id = $1', [sidOf(tokens)]);
    await tryRefresh(node, tokens.refresh_token);
    await sql(node, 'ALTER TABLE unexpected_logouts RENAME TO away');
    await node.app.get(RecorderService).flush();
    await sql(node, 'ALTER TABLE away RENAME TO unexpected_logouts');
    expect(await logouts(node)).toEqual({ 'bearer ended_without_reason': 1 });
  });
});

describe('the report counts no unexpected logout for', () => {
  let node: TestApp;
  let user: Account;
  let admin: string;
  beforeAll(async () => {
    node = await createTestApp({ env: ENV });
    user = await aUser(node);
    admin = (await login(node)).access_token;
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    expect(await logouts(node)).toEqual({});
  });
  afterAll(() => node.close());

  it('a logout, a revocation, a reused token or a password change', async () => {
    const [out, stolen, changed, revoked] = [
      await login(node, user),
      await login(node, user),
      await login(node, user),
      await login(node, user),
    ];
    await post(node, '/auth/logout', undefined, bearer(out.access_token));
    const second = await refresh(node, stolen.refresh_token);
    await refresh(node, second.refresh_token);
    expect(codeOf(await tryRefresh(node, stolen.refresh_token))).toBe('refresh_token_reused');
    const password = `pass phrase of ${randomUUID()}`;
    const body = { current_password: user.password, new_password: password };
    expect((await post(node, '/auth/password', body, bearer(changed.access_token))).statusCode).toBe(204);
    user = { ...user, password };
    expect(codeOf(await tryRefresh(node, revoked.refresh_token))).toBe('refresh_token_revoked');
    await post(node, `/admin/users/${user.id}/revoke`, undefined, bearer(admin));
    for (const { access_token, refresh_token } of [out, second, changed, revoked]) {
      expect(await verify(node, access_token)).toBe('401 token_revoked');
      expect(codeOf(await tryRefresh(node, refresh_token))).toBe('refresh_token_revoked');
    }
  });

  it('expired credentials', async () => {
    const tokens = await login(node, user);
    await sql(node, `UPDATE refresh_tokens SET expires_at = now() WHERE id = $1`, [sidOf(tokens)]);
    expect(codeOf(await tryRefresh(node, tokens.refresh_token))).toBe('refresh_token_expired');
    const clock = node.app.get(DatabaseClock);
    const late = clock.now() + 3_600_000;
    vi.spyOn(clock, 'now').mockReturnValue(late);
    expect(await verify(node, tokens.access_token)).toBe('401 token_expired');
  });

  it('a row that was deleted after its family had expired or was revoked', async () => {
    const [expired, ended] = [await login(node, user), await login(node, user)];
    await post(node, '/auth/logout', undefined, bearer(ended.access_token));
    // Time passes only for that login: nobody else changes the audit trail.
    await sql(node, 'ALTER TABLE audit_events DISABLE TRIGGER USER');
    await sql(node, `UPDATE audit_events SET at = at - interval '8 days' WHERE sid = $1`, [sidOf(expired)]);
    await sql(node, 'ALTER TABLE audit_events ENABLE TRIGGER USER');
    await sql(node, 'DELETE FROM refresh_tokens WHERE id = ANY ($1)', [[sidOf(expired), sidOf(ended)]]);
    for (const { refresh_token } of [expired, ended])
      expect(codeOf(await tryRefresh(node, refresh_token))).toBe('refresh_token_invalid');
  });

  it('forged credentials, even of a live family', async () => {
    const tokens = await login(node, user);
    const [header, payload] = tokens.access_token.split('.');
    const forged = `${header}.${payload}.${randomBytes(256).toString('base64url')}`;
    expect(await verify(node, forged)).toBe('401 token_invalid');
    const strange = Buffer.from(JSON.stringify({ alg: 'RS256', typ: 'at+jwt', kid: 'unknown' }));
    const unknownKey = `${strange.toString('base64url')}.${payload}.${forged.split('.')[2]}`;
    expect(await verify(node, unknownKey)).toBe('401 token_invalid');
    const refreshToken = `${tokens.refresh_token.slice(0, 50)}${randomBytes(24).toString('base64url')}`;
    for (const token of [refreshToken, `tandem_rt_${randomBytes(54).toString('base64url')}`, 'garbage'])
      expect(codeOf(await tryRefresh(node, token))).toBe('refresh_token_invalid');
    for (const cookie of [cookieFor(randomUUID(), 'of a stranger'), cookieFor(randomUUID()), 'session_id=x'])
      expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    expect(await verifySession(node, `session_id=${encodeURIComponent('s:\0.x')}`)).toBe(
      '401 session_invalid',
    );
  });

  it('a session that was revoked here or in the product, has expired or never existed', async () => {
    const [out, deleted, expired] = [
      await sessionLogin(node, user),
      await sessionLogin(node, user),
      await sessionLogin(node, user),
    ];
    expect((await bySession(node, out, { method: 'POST', url: '/api/logout' })).statusCode).toBe(204);
    await sql(node, 'DELETE FROM session WHERE sid = $1', [sidIn(deleted)]);
    await sql(node, `UPDATE session SET expire = now() WHERE sid = $1`, [sidIn(expired)]);
    await sql(node, `INSERT INTO session VALUES ('anonymous', '{"cart": 3}', now() + interval '1 hour')`);
    for (const cookie of [out, deleted, expired, cookieFor('anonymous')])
      expect(await verifySession(node, cookie)).toBe('401 session_invalid');
  });

  it('a family that was downgraded to a session, or reuse after that', async () => {
    const tokens = await login(node, user);
    const { refresh_token } = tokens;
    const downgrade = () => post(node, '/auth/downgrade', { refresh_token });
    const cookie = sessionCookie(await downgrade())!;
    expect(await verifySession(node, cookie)).toBe('204');
    expect(await verify(node, tokens.access_token)).toBe('401 token_revoked');
    await sql(node, `UPDATE session_fates SET seen_at = now() - interval '1 hour' WHERE downgraded_id = $1`, [
      sidOf(tokens),
    ]);
    await sql(node, `UPDATE refresh_tokens SET revoked_at = now() - interval '1 hour' WHERE id = $1`, [
      sidOf(tokens),
    ]);
    expect(codeOf(await downgrade())).toBe('refresh_token_reused');
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
  });

  it('a brownout', async () => {
    const cookie = await sessionLogin(node, user);
    const now = Date.now();
    vi.spyOn(node.app.get(RolloutService), 'brownout').mockReturnValue({
      from: now - 1_000,
      to: now + 60_000,
    });
    expect(await verifySession(node, cookie)).toBe('401 sessions_brownout');
  });

  it('a drain of users who are not eligible', async () => {
    const { refresh_token } = await login(node, user);
    const change = (body: object) =>
      node.app.inject({ method: 'PATCH', url: '/admin/rollout', payload: body, ...bearer(admin) });
    expect((await change({ percentage: 0, drain: true })).statusCode).toBe(200);
    expect(codeOf(await tryRefresh(node, refresh_token))).toBe('jwt_not_enabled');
    await node.app.get(RecorderService).flush();
    expect((await change({ percentage: 100, drain: false })).statusCode).toBe(200);
    expect((await tryRefresh(node, refresh_token)).statusCode).toBe(200);
  });

  it('a changed role or a disabled user', async () => {
    const other = await aUser(node);
    const tokens = await login(node, other);
    const change = (payload: object) =>
      node.app.inject({ method: 'PATCH', url: `/admin/users/${other.id}`, payload, ...bearer(admin) });
    expect((await change({ role: 'admin' })).statusCode).toBe(200);
    expect(await verify(node, tokens.access_token)).toBe('401 token_revoked');
    expect((await change({ disabled: true })).statusCode).toBe(200);
    expect(codeOf(await tryRefresh(node, tokens.refresh_token))).toBe('refresh_token_revoked');
  });

  it('a distrusted key', async () => {
    const { access_token } = await login(node, user);
    const [{ kid }] = (await sql<{ kid: string }>(node, 'SELECT kid FROM signing_keys')) as [{ kid: string }];
    await node.app.get(KeyAdministrationService).distrust(kid, NO_ORIGIN);
    await until(async () => (await verify(node, access_token)) === '401 token_revoked', 2_000);
    expect(await logouts(node)).toEqual({});
    // Clients log out instead of refreshing if they are told that the token is invalid.
    const unknown = vi.spyOn(KeyRingService.prototype, 'verificationKey').mockReturnValue(undefined);
    expect(await verify(node, access_token)).toBe('401 token_invalid');
    unknown.mockRestore();
    expect(await logouts(node)).toEqual({ 'bearer key_distrusted': 1 });
    await sql(node, 'TRUNCATE unexpected_logouts');
  });
});

describe('an unexpected logout after a change of the configuration', () => {
  it.each([
    ['issuer_changed', { JWT_ISSUER: 'http://elsewhere.test' }],
    ['audience_changed', { JWT_AUDIENCE: 'something else' }],
  ])('is %s', async (cause, env) => {
    const node = await createTestApp({ env: ENV });
    // Made last: Passport keeps one strategy of a name in a process.
    const other = await createTestApp({ env: { ...ENV, ...env }, db: node.db });
    const { access_token } = await login(node);
    expect(await verify(other, access_token)).toBe('401 token_invalid');
    expect(await verify(other, access_token)).toBe('401 token_invalid');
    expect(await logouts(node, other)).toEqual({ [`bearer ${cause}`]: 1 });
    await other.close();
    await node.close();
  });
});
