import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { NO_ORIGIN } from '../../audit/audit-context.js';
import { AuditStore } from '../../audit/audit.store.js';
import { BackgroundLoops } from '../../common/background-loops.js';
import type { BackgroundLoop } from '../../common/background-loops.js';
import type { Sql } from '../../database/database.js';
import { DatabaseClock } from '../../tokens/feed/database-clock.js';
import type { RolloutSettings, RolloutState } from '../rollout/rollout-state.js';
import { RolloutService } from '../rollout/rollout.service.js';
import { RolloutStore } from '../rollout/rollout.store.js';
import type { Current } from '../rollout/rollout.store.js';
import type { Plan, PlanState } from './plan.js';
import { decide } from './plan-decision.js';
import type { Decision } from './plan-decision.js';
import { PlanStore } from './plan.store.js';
import { RolloutFiguresService } from './rollout-figures.service.js';

/** Milliseconds between two evaluations. */
const EVERY = 3_000;

/** The decisions that end a plan. They are audited as events of their own. */
const FINAL_STATES: Partial<Record<Decision['action'], PlanState>> = { finish: 'finished', pause: 'paused' };

/**
 * Carries out the plan on the node that holds its lease. Raises the percentage while the figures are good, and rolls back if they are
 * significantly worse with tokens. A step is one transaction over plan and rollout, so it happens entirely or not at all, and only once,
 * even if nodes are killed.
 */
@Injectable()
export class AutopilotService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly node = randomUUID();
  private readonly loop: BackgroundLoop;
  /** What the plan did at the last evaluation by this node; undefined if another node evaluates it, or none. */
  lastAction: Decision['action'] | undefined;

  constructor(
    private readonly plans: PlanStore,
    private readonly states: RolloutStore,
    private readonly rollout: RolloutService,
    private readonly figures: RolloutFiguresService,
    private readonly audit: AuditStore,
    private readonly clock: DatabaseClock,
    private readonly loops: BackgroundLoops,
  ) {
    const failure = 'failed to evaluate the plan of the rollout; will retry';
    this.loop = loops.create({ name: 'rollout-plan', everyMs: EVERY, failure, run: () => this.tick() });
  }

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.loop.stop();
    if (this.loops.enabled) await this.plans.release(this.node).catch(() => undefined);
  }

  /** Evaluates the plan and carries out the decision, if this node holds the lease. */
  async tick(): Promise<Decision | undefined> {
    const decision = await this.evaluate();
    this.lastAction = decision?.action;
    return decision;
  }

  private async evaluate(): Promise<Decision | undefined> {
    const plan = await this.plans.take(this.node);
    if (plan === undefined) return undefined;
    const now = this.clock.now();
    // `take` has counted this evaluation.
    const before = { ...plan, evaluations: plan.evaluations - 1 };
    const rollout = (await this.states.current())!;
    const decision = decide(before, rollout, await this.figures.evidenceFor(plan, now), now);
    if (decision.action === 'none' || decision.action === 'wait' || decision.action === 'hold')
      return decision;
    const moved = await this.states.withLock((sql, current) =>
      this.carryOut(sql, current, plan, decision, now),
    );
    if (moved !== undefined) this.rollout.adopt(moved);
    return moved === undefined ? undefined : decision;
  }

  /** Carries out a decision. If the node has lost the lease or the state has changed, changes nothing and returns undefined. */
  private async carryOut(
    sql: Sql,
    current: Current,
    plan: Plan,
    decision: Decision,
    now: number,
  ): Promise<RolloutState | undefined> {
    const { why } = decision;
    const pausing = decision.action === 'pause';
    if (current.version !== plan.rolloutVersion && !pausing) return undefined;
    const next = settingsAfter(current, plan, decision);
    const rolloutVersion = next === undefined ? current.version : current.version + 1;
    const state =
      FINAL_STATES[decision.action] ?? (decision.action === 'roll_back' ? 'rolled_back' : 'running');
    const position = 'position' in decision ? decision.position : plan.position;
    const to = { state, why, position, now, rolloutVersion };
    if (!(await this.plans.move(sql, this.node, plan.revision, to))) return undefined;
    if (next === undefined) {
      const detail = { why, percentage: current.percentage };
      await this.audit.add({ event: 'rollout', cause: `plan_${state}`, detail }, NO_ORIGIN, sql);
      return current;
    }
    if (decision.action !== 'roll_back') {
      return this.states.add(sql, current, next, current.version, { cause: 'plan_advanced', why }, NO_ORIGIN);
    }
    // A later rollback by an administrator must go further back, not forward to the step that failed.
    const byPlan = current.cause === 'plan_advanced' && current.parent !== null;
    const parent = byPlan ? (await this.states.find(sql, current.parent))!.parent : current.parent;
    return this.states.add(sql, current, next, parent, { cause: 'plan_rolled_back', why }, NO_ORIGIN);
  }
}

/** Returns the settings after a decision; undefined if the rollout does not change. */
function settingsAfter(current: RolloutState, plan: Plan, decision: Decision): RolloutSettings | undefined {
  if (decision.action === 'advance') {
    return { ...current, phase: 'gradual_rollout', percentage: decision.percentage };
  }
  if (decision.action === 'roll_back') {
    return { ...current, ...decision.to, drain: current.drain || plan.drainOnRollback };
  }
  return undefined;
}
