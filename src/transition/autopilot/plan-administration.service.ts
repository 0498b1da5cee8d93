import { Injectable } from '@nestjs/common';
import { refuse } from '../../common/common.errors.js';
import type { FieldError } from '../../common/http/problem.js';
import { DatabaseClock } from '../../tokens/feed/database-clock.js';
import type { Administrator } from '../rollout/rollout-administration.service.js';
import { RolloutFlagService } from '../rollout/rollout-flag.service.js';
import { isAnnounced, phaseAt } from '../rollout/rollout-state.js';
import type { RolloutState } from '../rollout/rollout-state.js';
import { refuseRollout } from '../rollout/rollout.errors.js';
import { RolloutStore } from '../rollout/rollout.store.js';
import type { Current } from '../rollout/rollout.store.js';
import type { Evidence } from './comparison.js';
import type { Plan, PlanSettings, PlanStep } from './plan.js';
import { decide } from './plan-decision.js';
import type { Decision } from './plan-decision.js';
import { PlanStore } from './plan.store.js';
import { RolloutFiguresService } from './rollout-figures.service.js';

/** A plan and its decision at this moment. */
export interface PlanStanding {
  readonly plan: Plan;
  readonly decision: Decision;
  readonly evidence: Evidence | undefined;
}

/** The result of replacing a plan. */
type Put =
  | { readonly errors: readonly FieldError[] }
  | { readonly stale: number }
  | { readonly plan: Plan; readonly rollout: RolloutState };

/** Reads and replaces the plan for administrators. */
@Injectable()
export class PlanAdministrationService {
  constructor(
    private readonly plans: PlanStore,
    private readonly states: RolloutStore,
    private readonly figures: RolloutFiguresService,
    private readonly flag: RolloutFlagService,
    private readonly clock: DatabaseClock,
  ) {}

  async read(): Promise<PlanStanding> {
    return this.standing(await this.plans.read(), (await this.states.current())!);
  }

  /**
   * Replaces the plan and restarts it. Throws 400 for a plan that cannot work, and 409 if `revision` is given and is not the last one. Then
   * nothing changes.
   */
  async put(settings: PlanSettings, by: Administrator, revision?: number): Promise<PlanStanding> {
    const outcome = await this.states.withLock<Put>(async (sql, rollout) => {
      const errors = this.faultsOf(settings, rollout);
      if (errors.length > 0) return { errors };
      if (revision !== undefined) {
        const last = await this.plans.read(sql);
        if (last.revision !== revision) return { stale: last.revision };
      }
      const { phase, percentage, version } = rollout;
      const plan = await this.plans.put(sql, settings, whyPut(settings), { phase, percentage }, version, by);
      return { plan, rollout };
    });
    if ('errors' in outcome) throw refuse('validation_failed', { errors: outcome.errors });
    if ('stale' in outcome) throw await this.staleness(outcome.stale);
    return this.standing(outcome.plan, outcome.rollout);
  }

  /** The result that {@link put} would have now. Changes nothing. */
  async dryRun(settings: PlanSettings): Promise<PlanStanding> {
    const current = (await this.states.current())!;
    const errors = this.faultsOf(settings, current);
    if (errors.length > 0) throw refuse('validation_failed', { errors });
    const plan: Plan = {
      ...settings,
      revision: 0,
      state: settings.enabled ? 'running' : 'off',
      why: whyPut(settings),
      position: null,
      base: current,
      since: null,
      evaluations: 0,
      rolloutVersion: current.version,
    };
    return this.standing(plan, current);
  }

  /** Who has changed the plan is in the audit trail; the autopilot changes it with the rollout. */
  private async staleness(revision: number) {
    const changed = await this.plans.lastChange();
    const by = changed?.actor ?? (changed?.cause === 'plan_changed' ? 'the command line' : 'the autopilot');
    const detail = `The revision of the plan is ${revision} now: ${by} changed it`;
    return refuseRollout('stale_version', { detail, members: { changed: changed ?? null } });
  }

  private async standing(plan: Plan, rollout: RolloutState): Promise<PlanStanding> {
    const now = this.clock.now();
    const evidence = await this.figures.evidenceFor(plan, now);
    return { plan, evidence, decision: decide(plan, rollout, evidence, now) };
  }

  private faultsOf({ enabled, steps }: PlanSettings, rollout: Current): FieldError[] {
    const faults = stepFaults(steps);
    if (!enabled) return faults;
    const off = (why: string) => faults.push({ field: 'enabled', message: `enabled cannot be true: ${why}` });
    if (steps.length === 0) faults.push({ field: 'steps', message: 'steps must not be empty' });
    if (isAnnounced(phaseAt(rollout, rollout.now))) off('all users are eligible for tokens already');
    if (!this.flag.isOurs) off('another flag provider decides who is eligible for tokens');
    return faults;
  }
}

/** Each step must raise the percentage. */
function stepFaults(steps: readonly PlanStep[]): FieldError[] {
  return steps.flatMap(({ percentage }, index) =>
    index > 0 && percentage <= steps[index - 1]!.percentage
      ? [{ field: `steps.${index}.percentage`, message: 'percentage must be higher than in the step before' }]
      : [],
  );
}

function whyPut({ enabled }: PlanSettings): string {
  return enabled ? 'the plan has begun' : 'the plan has been switched off';
}
