import type { Phase } from '../rollout/rollout-state.js';

/** Raise to `percentage`, then watch for so many seconds. */
export interface PlanStep {
  readonly percentage: number;
  readonly soak_seconds: number;
}

/** What an administrator decides. */
export interface PlanSettings {
  readonly enabled: boolean;
  /** Rising. */
  readonly steps: readonly PlanStep[];
  /** Requests of each scheme, since the step began, without which there is no next step. */
  readonly minRequests: number;
  /** The probability that a plan in which nothing is wrong is rolled back, over all its steps and looks. */
  readonly maxFalseAlarm: number;
  /** By how much the share of errors or unexpected logouts may be higher with tokens, as a part of one. */
  readonly tolerance: number;
  /** Whether a rollback by the plan also brings home those who have tokens already. */
  readonly drainOnRollback: boolean;
}

/** `running` is the one that acts; the others are where a plan has ended, or has not begun. */
export type PlanState = 'off' | 'running' | 'finished' | 'rolled_back' | 'paused';

/** What the rollout was when the plan began. */
export interface PlanBase {
  readonly phase: Phase;
  readonly percentage: number;
}

export interface Plan extends PlanSettings {
  /** Grows with each change, so that a decision about an old one is not carried out. */
  readonly revision: number;
  readonly state: PlanState;
  /** Why it is in that state, for people. */
  readonly why: string;
  /** The step that has been taken; null before the first. */
  readonly position: number | null;
  readonly base: PlanBase | null;
  /** When that step was taken, in milliseconds on the database's clock. */
  readonly since: number | null;
  /** At the figures since then. */
  readonly looks: number;
  /** The state of the rollout that the plan has made or found. Any other is somebody else's. */
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

/** How many users have tokens by their share alone. */
export function shareOf({ phase, percentage }: PlanBase): number {
  return phase === 'gradual_rollout' ? percentage : 0;
}
