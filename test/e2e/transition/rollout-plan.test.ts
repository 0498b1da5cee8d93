import { Global, Module } from '@nestjs/common';
import { InMemoryProvider } from '@openfeature/server-sdk';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AutopilotService } from '../../../src/transition/autopilot/autopilot.service.js';
import { FLAG_PROVIDER } from '../../../src/transition/rollout/rollout-flag.service.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, codeOf, get, login, sql, until } from '../../helpers/client.js';
import type { Reply } from '../../helpers/client.js';

interface PlanView {
  readonly enabled: boolean;
  readonly status: {
    readonly state: string;
    readonly why: string;
    readonly step: number | null;
    readonly next: { readonly action: string; readonly percentage: number | null; readonly why: string };
  };
}

const STEPS = [
  { percentage: 10, soak_seconds: 3_600 },
  { percentage: 50, soak_seconds: 3_600 },
];
const PLAN = { enabled: true, steps: STEPS };

describe('the plan of the rollout', () => {
  let node: TestApp;
  let token: string;
  let user: string;
  beforeAll(async () => {
    node = await createTestApp();
    token = (await login(node)).access_token;
    user = (await login(node, await aUser(node))).access_token;
  });
  afterAll(() => node.close());
  beforeEach(async () => {
    await put({ enabled: false });
    await patch({ phase: 'gradual_rollout', percentage: 0, sunset_at: null });
  });

  function send(method: 'PUT' | 'PATCH', url: string, payload: object, as = token): Promise<Reply> {
    return node.app.inject({ method, url, payload, ...bearer(as) });
  }
  const put = (payload: object, query = '') => send('PUT', `/admin/rollout/plan${query}`, payload);
  const patch = (payload: object) => send('PATCH', '/admin/rollout', payload);
  const read = async () => (await get(node, '/admin/rollout/plan', token)).json<PlanView>();
  const percentage = async () =>
    (await get(node, '/admin/rollout', token)).json<{ percentage: number }>().percentage;
  const plansAudited = async () =>
    (
      await sql<{ n: number }>(
        node,
        `SELECT count(*)::int AS n FROM audit_events WHERE event = 'rollout' AND cause LIKE 'plan%'`,
      )
    )[0]!.n;

  it('takes its first step within seconds, and reports its state and the reason', async () => {
    const reply = await put({ ...PLAN, min_requests: 5, tolerance: 0, max_false_alarm: 0.05 });
    expect(reply.statusCode).toBe(200);
    expect(reply.json()).toMatchObject({ ...PLAN, min_requests: 5, tolerance: 0, max_false_alarm: 0.05 });
    await until(async () => (await percentage()) === 10, 5_000);
    const view = await read();
    expect(view).toMatchObject({
      enabled: true,
      status: { state: 'running', step: 0, next: { action: 'wait', percentage: null } },
    });
    expect(view.status.next.why).toMatch(/^10 per cent are watched for another \d+ s$/);
    const history = await get(node, '/admin/rollout/history?limit=1', token);
    expect(history.json<{ events: object[] }>().events).toMatchObject([
      { cause: 'plan_advanced', actor_id: null, changes: { percentage: { from: 0, to: 10 } } },
    ]);
  });

  it('refuses to replace a plan that has changed since it was read, and says who changed it and when', async () => {
    const first = (await put({ ...PLAN, enabled: false })).json<{ revision: number; status: object }>();
    const second = (await put({ ...first, min_requests: 7 })).json<{ revision: number }>();
    expect(second.revision).toBe(first.revision + 1);
    const reply = await put({ ...first, min_requests: 9 });
    expect([reply.statusCode, codeOf(reply)]).toEqual([409, 'stale_version']);
    expect(reply.json()).toMatchObject({
      detail: `The revision of the plan is ${second.revision} now: root changed it`,
      changed: { actor: 'root', cause: 'plan_changed', at: expect.stringMatching(/Z$/) },
    });
    expect(await read()).toMatchObject({ min_requests: 7, revision: second.revision });
    for (const revision of [-1, 1.5, '1', null])
      expect(codeOf(await put({ ...PLAN, revision }))).toBe('validation_failed');
  });

  it('reads its figures from the report', async () => {
    await put({ ...PLAN, min_requests: 1 });
    await until(async () => (await percentage()) === 10, 5_000);
    for (let call = 0; call < 5; call += 1) await get(node, '/api/users/me', token);
    const figures = async () =>
      ((await read()) as unknown as { status: { figures: { bearer: { requests: number } } } }).status.figures;
    await until(async () => (await figures()).bearer.requests >= 5, 10_000);
  });

  it('says with dry_run what it would do, and changes nothing', async () => {
    const [before, audited] = [await read(), await plansAudited()];
    const reply = await put(PLAN, '?dry_run=true');
    expect(reply.json<PlanView>().status).toMatchObject({
      state: 'running',
      next: { action: 'advance', phase: 'gradual_rollout', percentage: 10 },
    });
    await node.app.get(AutopilotService, { strict: false }).tick();
    expect(await read()).toEqual(before);
    expect(await percentage()).toBe(0);
    expect(await plansAudited()).toBe(audited);
    await patch({ percentage: 70 });
    const none = await put(PLAN, '?dry_run=true');
    expect(none.json<PlanView>().status.next).toMatchObject({
      action: 'finish',
      why: 'the rollout is at 70 per cent already',
    });
    expect((await put(PLAN, '?dry_run=false')).json<PlanView>().enabled).toBe(true);
  });

  it('pauses when somebody changes the rollout', async () => {
    await put(PLAN);
    await patch({ percentage: 5 });
    expect((await read()).status.next).toMatchObject({ action: 'pause' });
    await until(async () => (await read()).status.state === 'paused', 5_000);
    expect(await read()).toMatchObject({
      enabled: false,
      status: { why: 'the rollout has been changed by hand' },
    });
    expect(await percentage()).toBe(5);
  });

  it('accepts a plan as it was read', async () => {
    const view = (await put({ ...PLAN, enabled: false })).json<object>();
    const again = await put(view);
    expect(again.statusCode).toBe(200);
    expect(again.json()).toMatchObject({ enabled: false, steps: STEPS });
  });

  const step = (percentage: unknown, soak_seconds: unknown = 60) => ({ percentage, soak_seconds });
  it.each([
    [{}, 'enabled'],
    [{ enabled: 'yes' }, 'enabled'],
    [{ enabled: null }, 'enabled'],
    [{ enabled: true }, 'steps'],
    [{ enabled: true, steps: [] }, 'steps'],
    [{ enabled: true, steps: null }, 'steps'],
    [{ enabled: true, steps: {} }, 'steps'],
    [{ enabled: true, steps: [[]] }, 'steps'],
    [{ enabled: true, steps: [1] }, 'steps'],
    [{ enabled: true, steps: [step(10), step(5)] }, 'steps.1.percentage'],
    [{ enabled: false, steps: [step(10), step(10)] }, 'steps.1.percentage'],
    [{ enabled: true, steps: [step(0)] }, 'steps.0.percentage'],
    [{ enabled: true, steps: [step(101)] }, 'steps.0.percentage'],
    [{ enabled: true, steps: [step(1.5)] }, 'steps.0.percentage'],
    [{ enabled: true, steps: [step('10')] }, 'steps.0.percentage'],
    [{ enabled: true, steps: [step(10, 0)] }, 'steps.0.soak_seconds'],
    [{ enabled: true, steps: [step(10, -5)] }, 'steps.0.soak_seconds'],
    [{ enabled: true, steps: [step(10, 2_592_001)] }, 'steps.0.soak_seconds'],
    [{ enabled: true, steps: [step(10, null)] }, 'steps.0.soak_seconds'],
    [{ enabled: true, steps: [{ percentage: 10 }] }, 'steps.0.soak_seconds'],
    [{ enabled: true, steps: [{ ...step(10), why: 1 }] }, 'steps.0.why'],
    [{ ...PLAN, min_requests: 0 }, 'min_requests'],
    [{ ...PLAN, min_requests: 1e12 }, 'min_requests'],
    [{ ...PLAN, min_requests: null }, 'min_requests'],
    [{ ...PLAN, max_false_alarm: 0 }, 'max_false_alarm'],
    [{ ...PLAN, max_false_alarm: 0.5 }, 'max_false_alarm'],
    [{ ...PLAN, tolerance: -0.1 }, 'tolerance'],
    [{ ...PLAN, tolerance: 1 }, 'tolerance'],
    [{ ...PLAN, tolerance: '0' }, 'tolerance'],
    [{ ...PLAN, drain_on_rollback: 1 }, 'drain_on_rollback'],
    [{ ...PLAN, nonsense: 1 }, 'nonsense'],
  ])('refuses %j, and changes nothing', async (payload, field) => {
    const [before, audited] = [await read(), await plansAudited()];
    for (const query of ['', '?dry_run=true']) {
      const reply = await put(payload, query);
      expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'validation_failed']);
      const { errors } = reply.json<{ errors: { field: string }[] }>();
      expect(errors.map((error) => error.field)).toEqual([field]);
    }
    expect(await read()).toEqual(before);
    expect(await plansAudited()).toBe(audited);
  });

  it.each(['dry_run=maybe', 'dry_run=', 'dry_run=true&dry_run=false', 'dryrun=true'])(
    'refuses ?%s, and changes nothing',
    async (query) => {
      const before = await read();
      const reply = await put(PLAN, `?${query}`);
      expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'validation_failed']);
      expect(await read()).toEqual(before);
    },
  );

  it.each([{ phase: 'deprecation_notice', percentage: 0 }, { sunset_at: '2020-01-01T00:00:00Z' }])(
    'cannot be enabled while everybody may have tokens: %j',
    async (state) => {
      await patch(state);
      const reply = await put(PLAN);
      expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'validation_failed']);
      expect((await put({ ...PLAN, enabled: false })).statusCode).toBe(200);
    },
  );

  it('is for administrators only', async () => {
    for (const reply of [
      await get(node, '/admin/rollout/plan', user),
      await send('PUT', '/admin/rollout/plan', PLAN, user),
    ]) {
      expect([reply.statusCode, codeOf(reply)]).toEqual([403, 'forbidden']);
    }
  });
});

describe('the plan of a new rollout', () => {
  it('is off by default, and shows its default settings', async () => {
    const fresh = await createTestApp();
    try {
      const reply = await get(fresh, '/admin/rollout/plan', (await login(fresh)).access_token);
      expect(reply.json()).toEqual({
        revision: 0,
        enabled: false,
        steps: [],
        min_requests: 1_000,
        max_false_alarm: 0.01,
        tolerance: 0.001,
        drain_on_rollback: false,
        status: {
          state: 'off',
          why: 'no plan has been made',
          step: null,
          since: null,
          figures: null,
          next: { action: 'none', why: 'no plan has been made', phase: null, percentage: null },
        },
      });
    } finally {
      await fresh.close();
    }
  });
});

@Global()
@Module({
  providers: [{ provide: FLAG_PROVIDER, useValue: new InMemoryProvider() }],
  exports: [FLAG_PROVIDER],
})
class TeamFlags {}

describe('the plan beside a team’s own flag provider', () => {
  it('cannot be enabled, because nothing would read its percentage', async () => {
    const node = await createTestApp({ imports: [TeamFlags], env: { ROLLOUT_PHASE: 'deprecation_notice' } });
    try {
      const { access_token } = await login(node);
      const change = {
        method: 'PATCH',
        url: '/admin/rollout',
        payload: { phase: 'gradual_rollout' },
      } as const;
      await node.app.inject({ ...change, ...bearer(access_token) });
      const reply = await node.app.inject({
        method: 'PUT',
        url: '/admin/rollout/plan',
        payload: PLAN,
        ...bearer(access_token),
      });
      expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'validation_failed']);
    } finally {
      await node.close();
    }
  });
});
