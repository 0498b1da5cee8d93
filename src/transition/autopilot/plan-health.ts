import { isAnnounced, phaseAt } from '../rollout/rollout-state.js';
import type { RolloutSettings } from '../rollout/rollout-state.js';
import type { Evidence } from './comparison.js';
import type { Plan } from './plan.js';
import type { Decision } from './plan-decision.js';

export const HEALTHS = [
  'off',
  'healthy',
  'waiting_for_data',
  'holding',
  'failing',
  'rolled_back',
  'released',
] as const;

/** The state of the rollout in one word. */
export type Health = (typeof HEALTHS)[number];

/** How many requests of the rarer scheme there are, and how many the plan needs. */
export interface Sample {
  readonly have: number;
  readonly need: number;
}

/** Returns how many requests the plan has and needs; undefined if the plan compares nothing. */
export function sampleOf({ minRequests }: Plan, evidence: Evidence | undefined): Sample | undefined {
  if (evidence === undefined) return undefined;
  const { bearer, session } = evidence.whole;
  return { have: Math.min(bearer.requests, session.requests), need: minRequests };
}

/** Returns the state of the plan in one word. `holding`: it waits for an administrator. `now`: the database's time in ms. */
export function healthOf(
  plan: Plan,
  decision: Decision,
  sample: Sample | undefined,
  rollout: RolloutSettings,
  now: number,
): Health {
  if (plan.state === 'rolled_back') return 'rolled_back';
  if (isAnnounced(phaseAt(rollout, now)) || plan.state === 'finished') return 'released';
  if (plan.state === 'off') return 'off';
  if (plan.state === 'paused' || decision.action === 'pause') return 'holding';
  if (decision.action === 'roll_back') return 'failing';
  if (decision.action === 'hold') return 'waiting_for_data';
  const lacksData = sample !== undefined && sample.have < sample.need;
  return lacksData && decision.action === 'wait' ? 'waiting_for_data' : 'healthy';
}
