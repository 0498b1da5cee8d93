import type { Config } from '../../config/config.js';
import type { Role } from '../../users/user.entity.js';

/** How far the move from sessions to tokens has got, in its order. */
export const PHASES = [
  'off',
  'internal_beta',
  'gradual_rollout',
  'deprecation_notice',
  'sessions_removed',
] as const satisfies readonly Config['rolloutPhase'][];

export type Phase = (typeof PHASES)[number];

/** A window in which session requests are refused, as a warning. Milliseconds since the epoch; `to` is outside. */
export interface Brownout {
  readonly from: number;
  readonly to: number;
}

/** What administrators decide about the move. */
export interface RolloutSettings {
  readonly phase: Phase;
  /** Of all users, a whole number from 0 to 100. */
  readonly percentage: number;
  readonly roles: readonly Role[];
  /** UUIDs in lower case. */
  readonly userIds: readonly string[];
  /** Whether users who are not eligible are told, at their next refresh, to go back to a session. */
  readonly drain: boolean;
  /** When sessions end, in milliseconds since the epoch. Past: they have ended, whatever the phase says. */
  readonly sunsetAt: number | null;
  /** In order, without overlap. */
  readonly brownouts: readonly Brownout[];
}

/** The settings at one moment; each change has a higher version. */
export interface RolloutState extends RolloutSettings {
  readonly version: number;
}

/** Between the notice of deprecation and the sunset unless that is given, in milliseconds. */
export const NOTICE = 90 * 24 * 3_600_000;

/** The phase that counts at `now`. */
export function phaseAt({ phase, sunsetAt }: RolloutSettings, now: number): Phase {
  return sunsetAt !== null && sunsetAt <= now ? 'sessions_removed' : phase;
}

/** The brownout that is on at `now`. */
export function brownoutAt(settings: RolloutSettings, now: number): Brownout | undefined {
  if (phaseAt(settings, now) !== 'deprecation_notice') return undefined;
  return settings.brownouts.find(({ from, to }) => from <= now && now < to);
}

/** What a new database begins with. */
export function firstSettings(
  { rolloutPhase, rolloutPercentage }: Pick<Config, 'rolloutPhase' | 'rolloutPercentage'>,
  now: number,
): RolloutSettings {
  return {
    phase: rolloutPhase,
    percentage: rolloutPercentage,
    roles: [],
    userIds: [],
    drain: false,
    sunsetAt: rolloutPhase === 'deprecation_notice' ? now + NOTICE : null,
    brownouts: [],
  };
}

/** A phase in which users have been told that sessions end. */
export function isAnnounced(phase: Phase): boolean {
  return PHASES.indexOf(phase) >= PHASES.indexOf('deprecation_notice');
}
