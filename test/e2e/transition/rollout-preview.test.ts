import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, codeOf, get, login, post, sql, tryLogin } from '../../helpers/client.js';
import type { Account, Reply } from '../../helpers/client.js';

interface Preview {
  readonly users: number;
  readonly eligible_before: number;
  readonly eligible_after: number;
  readonly gain: number;
  readonly lose: number;
  readonly on_tokens: number;
  readonly on_tokens_stay: number;
  readonly on_tokens_drained: number;
  readonly exact: boolean;
  readonly next: { readonly percentage: number };
}

describe('the preview of a change of the rollout', () => {
  const MANY = 3_000;
  let node: TestApp;
  let token: string;
  let user: Account;
  beforeAll(async () => {
    node = await createTestApp();
    token = (await login(node)).access_token;
    user = await aUser(node);
    await login(node, user);
    await sql(
      node,
      `INSERT INTO users (id, username, username_key, role, disabled_at)
       SELECT gen_random_uuid(), 'u' || n, 'u' || n, CASE WHEN n % 10 = 0 THEN 'staff' ELSE 'user' END, CASE WHEN n > $1 THEN now() END
       FROM generate_series(1, $1::integer + 5) AS n`,
      [MANY],
    );
  });
  afterAll(() => node.close());
  beforeEach(() =>
    change({ phase: 'gradual_rollout', percentage: 0, roles: [], user_ids: [], drain: false }),
  );

  async function change(payload: object): Promise<void> {
    const reply = await node.app.inject({
      method: 'PATCH',
      url: '/admin/rollout',
      payload,
      ...bearer(token),
    });
    expect(reply.statusCode, reply.body).toBe(200);
  }
  const ask = (payload: object, as = token): Promise<Reply> =>
    post(node, '/admin/rollout/preview', payload, bearer(as));
  async function preview(payload: object): Promise<Preview> {
    const reply = await ask(payload);
    expect(reply.statusCode, reply.body).toBe(200);
    return reply.json<Preview>();
  }

  it('counts the users whom a percentage moves, by the rule that decides about their logins', async () => {
    const before = await get(node, '/admin/rollout', token);
    const result = await preview({ percentage: 40 });
    expect(result).toMatchObject({ users: MANY + 2, eligible_before: 1, lose: 0, on_tokens: 2, exact: true });
    expect(result.gain).toBe(result.eligible_after - 1);
    expect(result.gain / MANY).toBeCloseTo(0.4, 1);
    expect(result.next.percentage).toBe(40);
    // Nothing has changed.
    expect((await get(node, '/admin/rollout', token)).json()).toEqual(before.json());
    await change({ percentage: 40 });
    const isEligible = (await tryLogin(node, user)).statusCode === 200;
    const back = await preview({ percentage: 0 });
    expect(back).toMatchObject({ gain: 0, lose: result.gain, on_tokens_stay: 1, on_tokens_drained: 0 });
    expect(await preview({})).toMatchObject({ gain: 0, lose: 0, on_tokens_stay: isEligible ? 0 : 1 });
  });

  it('counts users by role and by id, and those whom a drain moves back', async () => {
    expect(await preview({ roles: ['staff'] })).toMatchObject({ gain: MANY / 10 });
    expect(await preview({ user_ids: [user.id.toUpperCase()] })).toMatchObject({
      gain: 1,
      on_tokens_stay: 0,
    });
    expect(await preview({ drain: true })).toMatchObject({
      gain: 0,
      on_tokens_stay: 0,
      on_tokens_drained: 1,
    });
    expect(await preview({ phase: 'off' })).toMatchObject({ eligible_after: 1, on_tokens_stay: 1 });
    expect(await preview({ phase: 'deprecation_notice' })).toMatchObject({ gain: MANY + 1, lose: 0 });
  });

  it('refuses what a change would refuse, and callers who are not administrators', async () => {
    for (const payload of [
      { percentage: 101 },
      { phase: 'x' },
      { brownouts: [{ from: 'a', to: 'b' }] },
      { x: 1 },
    ])
      expect(codeOf(await ask(payload))).toBe('validation_failed');
    await change({ percentage: 100 });
    const own = (await login(node, user)).access_token;
    expect(codeOf(await ask({}, own))).toBe('forbidden');
    expect(codeOf(await post(node, '/admin/rollout/preview', {}))).toBe('token_missing');
  });
});

describe('a change that is based on an older version', () => {
  it('is refused with who changed what and when', async () => {
    const node = await createTestApp();
    const token = (await login(node)).access_token;
    const patch = (payload: object) =>
      node.app.inject({ method: 'PATCH', url: '/admin/rollout', payload, ...bearer(token) });
    const first = (await patch({ phase: 'gradual_rollout', percentage: 3 })).json<{ version: number }>();
    const second = (await patch({ percentage: 5 })).json<{ version: number }>();
    for (const reply of [
      await patch({ percentage: 9, version: first.version }),
      await post(node, '/admin/rollout/rollback', { version: first.version }, bearer(token)),
    ]) {
      expect([reply.statusCode, codeOf(reply)]).toEqual([409, 'stale_version']);
      expect(reply.json()).toMatchObject({
        detail: expect.stringMatching(
          new RegExp(`^The version is ${second.version} now: root changed the rollout at \\S+Z$`),
        ),
        changed: {
          version: second.version,
          at: expect.stringMatching(/Z$/),
          actor: 'root',
          cause: 'changed',
          changes: { percentage: { from: 3, to: 5 } },
        },
      });
    }
    await node.close();
  });
});

describe('the comparison of tokens with sessions', () => {
  let node: TestApp;
  let token: string;
  beforeAll(async () => {
    node = await createTestApp();
    token = (await login(node)).access_token;
  });
  afterAll(() => node.close());

  it('has the figures with their interval, in total and by time, and the state in one word', async () => {
    for (let call = 0; call < 20; call += 1) await get(node, '/api/users/me', token);
    const reply = await get(node, '/admin/rollout/comparison', token);
    expect(reply.statusCode, reply.body).toBe(200);
    const view = reply.json<{ figures: { figure: string }[]; buckets: { figures: object[] }[] }>();
    expect(view).toMatchObject({ health: 'off', waiting: null, tolerance: 0.001 });
    expect(view.figures).toMatchObject([
      { figure: 'errors', tokens: 0, sessions: null, difference: null, low: null, worse: false },
      { figure: 'unexpected_logouts', tokens: 0, sessions: null },
      { figure: 'p95_ms', tokens: expect.any(Number), sessions: null, tolerance: null },
      { figure: 'users', tokens: 1, sessions: 0, difference: 1 },
    ]);
    expect(view.buckets.length).toBeGreaterThan(20);
  });

  it('refuses a broken window, and callers who are not administrators', async () => {
    for (const query of ['since=x', 'until=x', 'since=2999-01-01', 'since=2000-01-01', 'x=1'])
      expect(codeOf(await get(node, `/admin/rollout/comparison?${query}`, token))).toBe('validation_failed');
    const user = (await login(node, await aUser(node))).access_token;
    expect(codeOf(await get(node, '/admin/rollout/comparison', user))).toBe('forbidden');
  });
});
