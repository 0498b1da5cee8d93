import type { Phase } from '../rollout/rollout-state.js';

/** Raises the rollout to `percentage`, then watches it for `soak_seconds`. */
export interface PlanStep {
  readonly percentage: number;
  readonly soak_seconds: number;
}

/** The settings of an administrator. */
export interface PlanSettings {
  readonly enabled: boolean;
  /** The steps, with rising percentages. */
  readonly steps: readonly PlanStep[];
  /** How many requests of each scheme a step needs before the next one. */
  readonly minRequests: number;
  /** The probability that a faultless plan is rolled back, over all its steps and evaluations. */
  readonly maxFalseAlarm: number;
  /** How much higher the rate of errors or unexpected logouts may be with tokens, as a fraction of one. */
  readonly tolerance: number;
  /** Whether a rollback by the plan also moves users with tokens back to sessions. */
  readonly drainOnRollback: boolean;
}

/** Only a plan that is `running` acts. */
export type PlanState = 'off' | 'running' | 'finished' | 'rolled_back' | 'paused';

/** The rollout when the plan began. */
export interface PlanBase {
  readonly phase: Phase;
  readonly percentage: number;
}

export interface Plan extends PlanSettings {
  /** Increases with each change, so that a decision about an old plan is not carried out. */
  readonly revision: number;
  readonly state: PlanState;
  /** The reason for the state, as text. */
  readonly why: string;
  /** The index of the current step; null before the first. */
  readonly position: number | null;
  readonly base: PlanBase | null;
  /** When that step began, in milliseconds on the database's clock. */
  readonly since: number | null;
  /** Evaluations of the figures since then. */
  readonly evaluations: number;
  /** The version of the rollout that the plan has made or found. Somebody else made any other version. */
  readonly rolloutVersion: number | null;
}

export const LIMITS = {
  steps: 100,
  soakSeconds: 2_592_000,
  minRequests: 1_000_000_000,
  maxFalseAlarm: { min: 0.000_001, max: 0.1 },
  tolerance: 0.5,
} as const;

export const DEFAULTS = {
  minRequests: 1_000,
  maxFalseAlarm: 0.01,
  tolerance: 0.001,
  drainOnRollback: false,
} as const;

/** The percentage of users who are eligible for tokens. */
export function shareOf({ phase, percentage }: PlanBase): number {
  return phase === 'gradual_rollout' ? percentage : 0;
}
