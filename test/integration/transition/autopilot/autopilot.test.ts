import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PlanSettings } from '../../../../src/transition/autopilot/plan.js';
import { createTestDatabase } from '../../../helpers/database.js';
import type { TestDatabase } from '../../../helpers/database.js';
import { aPlan } from '../../../unit/transition/autopilot/scripted.js';
import { BY } from '../rollout/rollout-node.js';
import { anAutopilotNode } from './autopilot-node.js';
import type { AutopilotNode } from './autopilot-node.js';
import { Traffic } from './traffic.js';
import type { TrafficOptions } from './traffic.js';

/** Seconds between two evaluations of a node. */
const EVERY = 3;

const { steps, minRequests, maxFalseAlarm, tolerance, drainOnRollback } = aPlan();
const PLAN: PlanSettings = { enabled: true, steps, minRequests, maxFalseAlarm, tolerance, drainOnRollback };

describe('the autopilot', () => {
  let db: TestDatabase;
  let traffic: Traffic;
  /** How many had been hurt when the percentage was last changed. */
  let hurt = 0;
  const nodes: AutopilotNode[] = [];
  beforeEach(async () => {
    db = await createTestDatabase();
  });
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.stop();
    await db.drop();
  });

  async function given(options: TrafficOptions, count = 1): Promise<AutopilotNode> {
    traffic = new Traffic(options);
    const script = { now: () => traffic.second * 1000, figures: traffic };
    for (let n = 0; n < count; n += 1) nodes.push(await anAutopilotNode(db.url, script));
    return nodes[0]!;
  }

  const percentage = async () => (await nodes[0]!.administration.read()).percentage;

  /** Lets time pass; whenever the percentage has changed it is noted with the second. */
  async function run(seconds: number): Promise<[number, number][]> {
    const changes: [number, number][] = [];
    let before = await percentage();
    for (const end = traffic.second + seconds; traffic.second < end;) {
      traffic.pass(before);
      if (traffic.second % EVERY !== 0) continue;
      await nodes[0]!.autopilot.tick();
      const after = nodes[0]!.rollout.current().percentage;
      if (after !== before) {
        changes.push([traffic.second, after]);
        hurt = traffic.hurt.size;
      }
      before = after;
    }
    return changes;
  }

  const audited = async () =>
    (
      await db.database.query<{ cause: string }>(
        `SELECT cause FROM audit_events WHERE event = 'rollout' ORDER BY id`,
      )
    ).map(({ cause }) => cause);

  it('advances on time to the last step while the figures are good', async () => {
    const node = await given({ users: 10_000, pause: 60, errorRate: 0.01 });
    await node.plans.put(PLAN, BY);
    expect(await run(1_900)).toEqual([
      [EVERY, 10],
      [EVERY + 600, 50],
      [EVERY + 1_200, 100],
    ]);
    const { plan } = await node.plans.read();
    expect(plan).toMatchObject({ state: 'finished', enabled: false, position: 2 });
    expect(await audited()).toEqual([
      'created',
      'plan_changed',
      'plan_advanced',
      'plan_advanced',
      'plan_advanced',
      'plan_finished',
    ]);
    expect(await run(30)).toEqual([]);
  });

  it.each([
    ['fails every call', { errors: 1, logouts: 0 }],
    ['fails every third call', { errors: 0.3, logouts: 0 }],
    ['fails one call in twenty', { errors: 0.05, logouts: 0 }],
    ['logs out at one call in ten', { errors: 0, logouts: 0.1 }],
  ])('rolls back from 10 per cent before 200 users are affected when a fault %s', async (_, fault) => {
    const node = await given({ users: 10_000, pause: 60, errorRate: 0.001 });
    const first = { percentage: 1, soak_seconds: 60 };
    await node.plans.put({ ...PLAN, minRequests: 50, steps: [first, ...steps] }, BY);
    expect((await run(300)).at(-1)).toEqual([EVERY + 60, 10]);
    const began = traffic.second;
    traffic.fault = fault;
    const changes = await run(300);
    expect(changes).toEqual([[expect.any(Number), 1]]);
    console.info(`${hurt} of 1,000 users with tokens were hurt in ${changes[0]![0] - began} s`);
    expect(hurt).toBeGreaterThan(0);
    expect(hurt).toBeLessThan(200);
    const { plan } = await node.plans.read();
    expect(plan).toMatchObject({ state: 'rolled_back', enabled: false });
    expect(plan.why).toContain('with tokens');
    expect(node.rollout.current()).toMatchObject({ phase: 'gradual_rollout', percentage: 1, drain: false });
    expect((await audited()).at(-1)).toBe('plan_rolled_back');
    expect(await run(300)).toEqual([]);
  });

  it('holds while there are too few requests, and advances when there are enough', async () => {
    const node = await given({ users: 100, pause: 60 });
    await node.plans.put({ ...PLAN, minRequests: 200 }, BY);
    expect(await run(800)).toEqual([[EVERY, 10]]);
    const { decision } = await node.plans.read();
    expect(decision).toMatchObject({ action: 'hold', why: expect.stringContaining('too little') });
    const [more] = await run(700);
    expect(more).toEqual([expect.any(Number), 50]);
  });

  it('acts on one node, and takes no step twice when many nodes evaluate at once', async () => {
    const node = await given({ users: 10_000, pause: 60 }, 3);
    await node.plans.put({ ...PLAN, steps: steps.map((step) => ({ ...step, soak_seconds: 30 })) }, BY);
    for (let second = 0; second < 150; second += 1) {
      traffic.pass(await percentage());
      if (second % EVERY === 0) {
        await Promise.all(nodes.flatMap(({ autopilot }) => [autopilot.tick(), autopilot.tick()]));
      }
    }
    expect((await audited()).filter((cause) => cause === 'plan_advanced')).toHaveLength(3);
    const rows = await db.database.query<{ percentage: number }>(
      'SELECT percentage FROM rollout_versions ORDER BY version',
    );
    expect(rows.map((row) => row.percentage)).toEqual([0, 10, 50, 100]);
  });

  it('moves to another node when the lease expires', async () => {
    const [one, two] = [await given({ users: 10_000, pause: 60 }, 2), nodes[1]!];
    await one.plans.put(PLAN, BY);
    expect(await one.autopilot.tick()).toMatchObject({ action: 'advance' });
    expect(await two.autopilot.tick()).toBeUndefined();
    await db.database.query(`UPDATE rollout_plan SET lease_until = now() - interval '1 millisecond'`);
    expect(await two.autopilot.tick()).toMatchObject({ action: 'wait' });
    expect(await one.autopilot.tick()).toBeUndefined();
    await two.autopilot.onApplicationShutdown();
    expect(await one.autopilot.tick()).toMatchObject({ action: 'wait' });
  });

  it('drops a decision if the rollout has changed in the meantime', async () => {
    const node = await given({ users: 10_000, pause: 60 });
    await node.plans.put(PLAN, BY);
    const figures = traffic.between;
    await node.autopilot.tick();
    for (let second = 0; second < 700; second += 1) traffic.pass(10);
    traffic.between = async (window) => {
      traffic.between = figures;
      await node.administration.change({ percentage: 20 }, undefined, BY);
      return figures(window);
    };
    expect(await node.autopilot.tick()).toBeUndefined();
    expect(await percentage()).toBe(20);
    expect(await node.autopilot.tick()).toMatchObject({ action: 'pause' });
    expect((await node.plans.read()).plan).toMatchObject({
      state: 'paused',
      why: 'the rollout has been changed by hand',
    });
    expect(await percentage()).toBe(20);
  });

  it('lets an administrator roll back further after its own rollback, never forward', async () => {
    const node = await given({ users: 10_000, pause: 60 });
    await node.administration.change({ percentage: 3 }, undefined, BY);
    await node.plans.put(PLAN, BY);
    await run(300);
    traffic.fault = { errors: 0.5, logouts: 0 };
    expect((await run(60)).at(-1)![1]).toBe(3);
    const state = await node.administration.rollBack(undefined, undefined, BY);
    expect(state.percentage).toBe(0);
  });

  it('drains users with tokens on rollback if the plan says so', async () => {
    const node = await given({ users: 10_000, pause: 60 });
    await node.plans.put({ ...PLAN, drainOnRollback: true }, BY);
    await run(60);
    traffic.fault = { errors: 0.5, logouts: 0 };
    await run(60);
    expect(node.rollout.current()).toMatchObject({ percentage: 0, drain: true });
  });

  it('restarts with a new plan, and stops when it is disabled', async () => {
    const node = await given({ users: 10_000, pause: 60 });
    await node.plans.put(PLAN, BY);
    await run(300);
    await node.plans.put({ ...PLAN, steps: steps.slice(0, 2) }, BY);
    // The 10 per cent that are in force are watched from the beginning.
    expect(await run(590)).toEqual([]);
    expect((await run(30)).at(-1)![1]).toBe(50);
    await node.plans.put({ ...PLAN, enabled: false }, BY);
    expect(await run(1_200)).toEqual([]);
    expect((await node.plans.read()).plan).toMatchObject({ state: 'off', enabled: false });
  });
});
