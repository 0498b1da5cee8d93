import { counted } from '../../common/text.js';
import { isAnnounced, phaseAt } from '../rollout/rollout-state.js';
import type { RolloutState } from '../rollout/rollout-state.js';
import { levelAt, rate, worseWithTokens } from './comparison.js';
import type { Evidence, Worse } from './comparison.js';
import { shareOf } from './plan.js';
import type { Plan, PlanBase } from './plan.js';

/** What a plan does now, and the reason as text. */
export type Decision = { readonly why: string } & (
  | { readonly action: 'none' | 'wait' | 'hold' | 'finish' | 'pause' }
  /** The rollout already has the percentage of the step. */
  | { readonly action: 'adopt'; readonly position: number }
  | { readonly action: 'advance'; readonly position: number; readonly percentage: number }
  | { readonly action: 'roll_back'; readonly to: PlanBase }
);

/** Decides what a plan does. `now`: milliseconds on the database's clock. `evidence`: undefined before the first step. */
export function decide(
  plan: Plan,
  rollout: RolloutState,
  evidence: Evidence | undefined,
  now: number,
): Decision {
  if (plan.state !== 'running') return { action: 'none', why: plan.why };
  if (isAnnounced(phaseAt(rollout, now))) {
    return { action: 'pause', why: 'the rollout has left its gradual phase' };
  }
  if (plan.rolloutVersion !== rollout.version) {
    return { action: 'pause', why: 'the rollout has been changed by hand' };
  }
  if (plan.position === null) return begin(plan);
  const worse = evidence === undefined ? undefined : worseIn(plan, evidence);
  if (worse !== undefined)
    return { action: 'roll_back', to: before(plan, plan.position), why: reason(worse) };
  const step = plan.steps[plan.position]!;
  const left = Math.ceil((plan.since! + step.soak_seconds * 1000 - now) / 1000);
  if (left > 0)
    return { action: 'wait', why: `${step.percentage} per cent are watched for another ${left} s` };
  const lack = lackOf(plan, step.percentage, evidence);
  if (lack !== undefined) return { action: 'hold', why: lack };
  const next = plan.steps[plan.position + 1];
  if (next === undefined)
    return { action: 'finish', why: `the last step, ${step.percentage} per cent, went well` };
  return {
    action: 'advance',
    position: plan.position + 1,
    percentage: next.percentage,
    why: `${step.percentage} per cent went well for ${step.soak_seconds} s`,
  };
}

function begin({ steps, base }: Plan): Decision {
  const share = shareOf(base!);
  const position = steps.findIndex(({ percentage }) => percentage >= share);
  if (position === -1) return { action: 'finish', why: `the rollout is at ${share} per cent already` };
  const { percentage } = steps[position]!;
  if (percentage === share)
    return { action: 'adopt', position, why: `${share} per cent are in force already` };
  return { action: 'advance', position, percentage, why: `the plan begins at ${share} per cent` };
}

function worseIn(
  { evaluations, steps, maxFalseAlarm, tolerance }: Plan,
  evidence: Evidence,
): Worse | undefined {
  return worseWithTokens(evidence, levelAt(evaluations + 1, steps.length, maxFalseAlarm), tolerance);
}

/** At 100 per cent the plan does not wait for requests with sessions. */
function lackOf(
  { minRequests }: Plan,
  percentage: number,
  evidence: Evidence | undefined,
): string | undefined {
  const { bearer, session } = evidence!.whole;
  const enough = bearer.requests >= minRequests && (percentage === 100 || session.requests >= minRequests);
  if (enough) return undefined;
  return `too little to judge by: ${counted(bearer.requests, 'request')} with tokens and ${session.requests} with sessions of ${minRequests}`;
}

/** The previous step, or the start of the plan if that is nearer. */
function before({ steps, base }: Plan, position: number): PlanBase {
  const percentage = steps[position - 1]?.percentage ?? 0;
  const share = shareOf(base!);
  const nearer = share >= percentage && share < steps[position]!.percentage;
  return nearer ? base! : { phase: 'gradual_rollout', percentage };
}

function reason({ figure, window, tokens, sessions, p }: Worse): string {
  const share = (part: Worse['tokens']) =>
    `${part.hits} of ${part.trials} (${(rate(part) * 100).toFixed(2)} per cent)`;
  const when = window === 'whole' ? 'since the step' : 'of late';
  return `${figure} ${when}: ${share(tokens)} with tokens, ${share(sessions)} with sessions, p = ${p.toExponential(1)}`;
}
