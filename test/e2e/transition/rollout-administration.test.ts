import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import {
  aUser,
  bearer,
  codeOf,
  get,
  login,
  post,
  refresh,
  sql,
  tryLogin,
  tryRefresh,
  until,
} from '../../helpers/client.js';
import type { Account, Reply } from '../../helpers/client.js';

interface State {
  readonly phase: string;
  readonly percentage: number;
  readonly drain: boolean;
  readonly sunset_at: string | null;
  readonly version: number;
}

const DAY = 24 * 3_600_000;
const inDays = (days: number) => new Date(Date.now() + days * DAY).toISOString();

describe('the administration of the rollout', () => {
  let node: TestApp;
  let other: TestApp;
  let token: string;
  let user: Account;
  beforeAll(async () => {
    node = await createTestApp();
    other = await createTestApp({ db: node.db });
    token = (await login(node)).access_token;
    user = await aUser(node);
  });
  afterAll(async () => {
    await other.close();
    await node.close();
  });
  beforeEach(async () => {
    await change({
      phase: 'gradual_rollout',
      percentage: 100,
      roles: [],
      user_ids: [],
      drain: false,
      sunset_at: null,
      brownouts: [],
    });
  });

  function patch(payload: object, at = node): Promise<Reply> {
    return at.app.inject({ method: 'PATCH', url: '/admin/rollout', payload, ...bearer(token) });
  }
  async function change(payload: object): Promise<State> {
    const reply = await patch(payload);
    if (reply.statusCode !== 200) throw new Error(reply.body);
    return reply.json<State>();
  }
  const read = async (at = node) => (await get(at, '/admin/rollout', token)).json<State>();
  const rollBack = (payload?: object) => post(node, '/admin/rollout/rollback', payload, bearer(token));
  const loginIs = async (at: TestApp) => {
    const reply = await tryLogin(at, user);
    return reply.statusCode === 200 ? '200' : `${reply.statusCode} ${codeOf(reply)}`;
  };

  it('shows the state, and changes only the given fields', async () => {
    const before = await read();
    const user_ids = [user.id.toUpperCase()];
    const state = await change({ percentage: 7, roles: ['admin'], user_ids });
    expect(state).toEqual({
      phase: 'gradual_rollout',
      percentage: 7,
      roles: ['admin'],
      user_ids: [user.id],
      drain: false,
      sunset_at: null,
      brownouts: [],
      version: before.version + 1,
    });
    expect(await read(other)).toEqual(state);
    const again = await change({ ...state });
    expect(again).toEqual({ ...state, version: state.version + 1 });
  });

  it('changes who is eligible, here at once and on the other node within a second', async () => {
    for (const [percentage, expected] of [
      [0, '403 jwt_not_enabled'],
      [100, '200'],
      [0, '403 jwt_not_enabled'],
    ] as const) {
      await change({ percentage });
      expect(await loginIs(node)).toBe(expected);
      expect(await until(async () => (await loginIs(other)) === expected, 1_000)).toBeLessThan(1_000);
    }
  });

  it('keeps existing families when the percentage falls, unless it drains', async () => {
    const { refresh_token } = await login(node, user);
    await change({ percentage: 0 });
    const next = await refresh(node, refresh_token);
    await change({ drain: true });
    const refused = await tryRefresh(node, next.refresh_token);
    expect([refused.statusCode, codeOf(refused)]).toEqual([403, 'jwt_not_enabled']);
    await change({ user_ids: [user.id] });
    expect(await refresh(node, next.refresh_token)).toMatchObject({ token_type: 'Bearer' });
  });

  it('sets the sunset 90 days ahead on entering deprecation_notice, unless it is given', async () => {
    const { sunset_at } = await change({ phase: 'deprecation_notice' });
    expect(Math.abs(Date.parse(sunset_at!) - Date.now() - 90 * DAY)).toBeLessThan(10_000);
    expect((await change({ sunset_at: '2031-01-31T13:00:00+01:00' })).sunset_at).toBe(
      '2031-01-31T12:00:00.000Z',
    );
    expect((await change({ phase: 'gradual_rollout' })).sunset_at).toBeNull();
  });

  it('accepts a sunset in the past, which removes sessions and makes everybody eligible', async () => {
    await change({ phase: 'off' });
    expect(await loginIs(node)).toBe('403 jwt_not_enabled');
    await change({ sunset_at: '2020-01-01T00:00:00Z' });
    expect(await loginIs(node)).toBe('200');
  });

  it.each([
    [{ phase: 'off' }, { phase: 'gradual_rollout' }],
    [{ phase: 'off' }, { phase: 'deprecation_notice' }],
    [{ phase: 'off' }, { phase: 'sessions_removed' }],
    [{ phase: 'off' }, { phase: 'internal_beta', roles: ['user'] }],
    [{ phase: 'off' }, { phase: 'internal_beta', user_ids: [randomUUID()] }],
    [{ phase: 'off', user_ids: [randomUUID()] }, { phase: 'internal_beta' }],
    [{ phase: 'internal_beta' }, { phase: 'gradual_rollout' }],
    [{ percentage: 10 }, { phase: 'deprecation_notice' }],
    [
      { percentage: 10, roles: ['user'] },
      { phase: 'internal_beta', roles: [], user_ids: [randomUUID()] },
      200,
    ],
    [{ phase: 'off' }, { phase: 'internal_beta' }, 200],
    [{ phase: 'off' }, { phase: 'internal_beta', roles: ['admin'] }, 200],
    [{ percentage: 100 }, { phase: 'deprecation_notice' }, 200],
    [{ phase: 'internal_beta', roles: ['user'] }, { phase: 'gradual_rollout' }, 200],
    [{ percentage: 50 }, { phase: 'internal_beta' }, 200],
    [{ phase: 'deprecation_notice' }, { phase: 'gradual_rollout' }, 200],
    [{ percentage: 50 }, { phase: 'gradual_rollout', roles: ['user'] }, 200],
    [{ phase: 'off', sunset_at: '2020-01-01T00:00:00Z' }, { phase: 'gradual_rollout' }, 200],
  ])(
    'from %j to %j takes an explicit percentage if it makes users eligible',
    async (before, payload, as = 400) => {
      const state = await change({ percentage: 100, ...before });
      const reply = await patch(payload);
      expect(reply.statusCode).toBe(as);
      if (as === 200) return;
      expect(reply.json()).toMatchObject({ code: 'validation_failed', errors: [{ field: 'percentage' }] });
      expect(await read()).toEqual(state);
      expect((await patch({ ...payload, percentage: state.percentage })).statusCode).toBe(200);
    },
  );

  it('shows the phase that applies once the sunset has passed', async () => {
    await change({ phase: 'deprecation_notice', sunset_at: inDays(1) });
    expect((await read()).phase).toBe('deprecation_notice');
    expect((await change({ sunset_at: inDays(-1) })).phase).toBe('sessions_removed');
    expect((await read(other)).phase).toBe('sessions_removed');
    expect((await change({ sunset_at: inDays(1) })).phase).toBe('deprecation_notice');
  });

  it('reports only the type of a value of a wrong type, not its range', async () => {
    const reply = await patch({ percentage: '10' });
    expect(reply.json()).toMatchObject({
      errors: [{ field: 'percentage', message: 'percentage must be an integer number' }],
    });
  });

  it('refuses a change that is based on another version', async () => {
    const { version } = await read();
    const state = await change({ percentage: 20, version });
    const reply = await patch({ percentage: 30, version });
    expect([reply.statusCode, codeOf(reply)]).toEqual([409, 'stale_version']);
    expect(await read()).toEqual(state);
    const back = await rollBack({ version });
    expect([back.statusCode, codeOf(back)]).toEqual([409, 'stale_version']);
    expect(await read()).toEqual(state);
  });

  it('goes back one state with each rollback', async () => {
    for (const percentage of [10, 50, 80]) await change({ percentage });
    const one = (await rollBack({ drain: true })).json<State>();
    expect(one).toMatchObject({ percentage: 50, drain: true });
    expect((await rollBack()).json<State>()).toMatchObject({ percentage: 10, drain: false });
    await change({ percentage: 33 });
    expect((await rollBack({})).json<State>()).toMatchObject({ percentage: 10 });
    const last = (await rollBack()).json<State>();
    expect(last).toMatchObject({ percentage: 100, phase: 'gradual_rollout' });
    expect(last.version).toBe(one.version + 4);
  });

  it('does not count an empty change as a state', async () => {
    await change({ percentage: 10 });
    await change({ percentage: 20 });
    await change({ percentage: 20 });
    expect((await rollBack()).json<State>().percentage).toBe(10);
  });

  it('refuses a rollback that would end sessions', async () => {
    await change({ phase: 'sessions_removed' });
    const state = await change({ phase: 'gradual_rollout', percentage: 90 });
    const reply = await rollBack();
    expect([reply.statusCode, codeOf(reply)]).toEqual([409, 'rollback_ends_sessions']);
    expect(await read()).toEqual(state);
  });

  it('restores sessions by a rollback', async () => {
    await change({ percentage: 90 });
    await change({ sunset_at: inDays(-1) });
    expect((await rollBack()).json<State>()).toMatchObject({ percentage: 90, sunset_at: null });
  });

  it('lists who changed what, and when', async () => {
    await change({ percentage: 41 });
    const { version } = await change({ percentage: 42, user_ids: [user.id] });
    await rollBack();
    const list = async (query: string) =>
      (await get(node, `/admin/rollout/history?${query}`, token)).json<{
        events: Record<string, unknown>[];
        next_cursor: string | null;
      }>();
    const first = await list('limit=2');
    expect(first.events).toMatchObject([
      { version: version + 1, cause: 'rolled_back', changes: { percentage: { from: 42, to: 41 } } },
      {
        version,
        cause: 'changed',
        actor: 'root',
        actor_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        changes: { percentage: { from: 41, to: 42 }, user_ids: { from: 0, to: 1 } },
        state: { percentage: 42, user_ids: [user.id], version },
      },
    ]);
    expect(Math.abs(Date.parse(first.events[0]!['at'] as string) - Date.now())).toBeLessThan(10_000);
    const versions: unknown[] = [];
    let cursor = first.next_cursor;
    while (cursor !== null) {
      const page = await list(`limit=100&cursor=${cursor}`);
      versions.push(...page.events.map((event) => event['version']));
      cursor = page.next_cursor;
    }
    expect(versions).toEqual(Array.from({ length: version - 1 }, (_, index) => version - 1 - index));
  });

  it('writes one audit event for each change', async () => {
    const { version } = await change({ percentage: 3 });
    const events = await sql<object>(
      node,
      `SELECT cause, actor_id, detail FROM audit_events WHERE event = 'rollout' AND detail ->> 'version' = $1`,
      [String(version)],
    );
    expect(events).toEqual([
      {
        cause: 'changed',
        actor_id: expect.any(String),
        detail: { version, changes: { percentage: { from: 100, to: 3 } } },
      },
    ]);
  });

  it('refuses callers who are not administrators', async () => {
    const as = (await login(node, user)).access_token;
    for (const reply of [
      await get(node, '/admin/rollout', as),
      await get(node, '/admin/rollout/history', as),
      await post(node, '/admin/rollout/rollback', {}, bearer(as)),
      await node.app.inject({ method: 'PATCH', url: '/admin/rollout', payload: {}, ...bearer(as) }),
    ]) {
      expect([reply.statusCode, codeOf(reply)]).toEqual([403, 'forbidden']);
    }
    const stranger = await get(node, '/admin/rollout');
    expect([stranger.statusCode, codeOf(stranger)]).toEqual([401, 'token_missing']);
  });

  const id = randomUUID();
  it.each([
    [{ phase: 'on' }, 'phase'],
    [{ phase: null }, 'phase'],
    [{ percentage: -1 }, 'percentage'],
    [{ percentage: 101 }, 'percentage'],
    [{ percentage: 0.5 }, 'percentage'],
    [{ percentage: '10' }, 'percentage'],
    [{ percentage: null }, 'percentage'],
    [{ percentage: 1e300 }, 'percentage'],
    [{ roles: ['Root User'] }, 'roles'],
    [{ roles: 'admin' }, 'roles'],
    [{ roles: ['admin', 'admin'] }, 'roles'],
    [{ roles: [['admin']] }, 'roles'],
    [{ roles: null }, 'roles'],
    [{ user_ids: ['me'] }, 'user_ids'],
    [{ user_ids: [id, id.toUpperCase()] }, 'user_ids'],
    [{ user_ids: Array.from({ length: 1_001 }, () => randomUUID()) }, 'user_ids'],
    [{ user_ids: { 0: id } }, 'user_ids'],
    [{ drain: 'true' }, 'drain'],
    [{ drain: null }, 'drain'],
    [{ sunset_at: 'soon' }, 'sunset_at'],
    [{ sunset_at: '2027-01-31' }, 'sunset_at'],
    [{ sunset_at: '2027-01-31T12:00:00' }, 'sunset_at'],
    [{ sunset_at: '2027-02-30T12:00:00Z' }, 'sunset_at'],
    [{ sunset_at: 1_800_000_000 }, 'sunset_at'],
    [{ brownouts: [{ from: inDays(1) }] }, 'brownouts.0.to'],
    [{ brownouts: [{ from: inDays(2), to: inDays(1) }] }, 'brownouts.0.to'],
    [{ brownouts: [{ from: inDays(-2), to: inDays(-1) }] }, 'brownouts.0.to'],
    [{ brownouts: [{ from: inDays(1), to: inDays(2), why: 'x' }] }, 'brownouts.0.why'],
    [{ brownouts: [1] }, 'brownouts'],
    [{ brownouts: [null] }, 'brownouts'],
    [{ brownouts: [[]] }, 'brownouts'],
    [{ brownouts: {} }, 'brownouts'],
    [{ brownouts: [{ from: inDays(1), to: inDays(2) }], sunset_at: inDays(1.5) }, 'brownouts.0.to'],
    [
      {
        brownouts: [
          { from: inDays(1), to: inDays(3) },
          { from: inDays(2), to: inDays(4) },
        ],
      },
      'brownouts.1.from',
    ],
    [
      {
        brownouts: Array.from({ length: 101 }, (_, day) => ({
          from: inDays(day + 1),
          to: inDays(day + 1.5),
        })),
      },
      'brownouts',
    ],
    [{ version: 0 }, 'version'],
    [{ version: '1' }, 'version'],
    [{ version: 2 ** 31 }, 'version'],
    [{ nonsense: 1 }, 'nonsense'],
  ])('refuses %j and changes nothing', async (payload, field) => {
    const before = await read();
    const reply = await patch({ percentage: 55, ...payload });
    expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'validation_failed']);
    const { errors } = reply.json<{ errors: { field: string }[] }>();
    expect(errors.map((error) => error.field)).toEqual([expect.stringContaining(field)]);
    expect(await read()).toEqual(before);
  });

  it.each([[{ drain: 1 }], [{ drain: null }], [{ version: 1.5 }], [{ to: 3 }]])(
    'refuses a rollback with %j',
    async (payload) => {
      const before = await read();
      const reply = await rollBack(payload);
      expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'validation_failed']);
      expect(await read()).toEqual(before);
    },
  );

  it.each(['limit=0', 'limit=101', 'cursor=x', 'cursor=MTAwMDAwMDAwMDA', 'page=2'])(
    'refuses a page %s of the history',
    async (query) => {
      const reply = await get(node, `/admin/rollout/history?${query}`, token);
      expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'validation_failed']);
    },
  );
});

describe('the first state', () => {
  it('cannot be rolled back', async () => {
    const node = await createTestApp();
    try {
      const reply = await post(node, '/admin/rollout/rollback', {}, bearer((await login(node)).access_token));
      expect([reply.statusCode, codeOf(reply)]).toEqual([409, 'nothing_to_roll_back']);
    } finally {
      await node.close();
    }
  });
});
