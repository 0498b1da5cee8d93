import type { Role } from '../../users/user.entity.js';

/** How far the move from sessions to tokens has got, in its order. */
export const PHASES = [
  'off',
  'internal_beta',
  'gradual_rollout',
  'deprecation_notice',
  'sessions_removed',
] as const;

export type Phase = (typeof PHASES)[number];

/** Users with this role are eligible in every phase, even with `drain`: they must be able to sign in to steer the rollout. */
export const ADMIN: Role = 'admin';

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

/** The state as it applies at `now`: its phase is the one that counts. */
export function inForce<State extends RolloutSettings>(state: State, now: number): State {
  return { ...state, phase: phaseAt(state, now) };
}

/** The brownout that is on at `now`. */
export function brownoutAt(settings: RolloutSettings, now: number): Brownout | undefined {
  if (phaseAt(settings, now) !== 'deprecation_notice') return undefined;
  return settings.brownouts.find(({ from, to }) => from <= now && now < to);
}

/** What a new database begins with. */
export function firstSettings(
  { rolloutPhase, rolloutPercentage }: { readonly rolloutPhase: Phase; readonly rolloutPercentage: number },
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

/**
 * Whether `next` makes users eligible for tokens who are not eligible under `current`; both at `now`. Administrators are left out:
 * they are eligible in every phase.
 */
export function widensEligibility(current: RolloutSettings, next: RolloutSettings, now: number): boolean {
  const [before, after] = [eligibleAt(current, now), eligibleAt(next, now)];
  if (before.share === 100) return false;
  return after.share > before.share || after.named.some((name) => !before.named.includes(name));
}

/** The share of all users, and the roles and ids beyond it. */
function eligibleAt(settings: RolloutSettings, now: number): { share: number; named: readonly string[] } {
  const { percentage, roles, userIds } = settings;
  const phase = phaseAt(settings, now);
  if (phase === 'off') return { share: 0, named: [] };
  if (isAnnounced(phase) || roles.includes('user')) return { share: 100, named: [] };
  const named = [...roles.filter((role) => role !== ADMIN), ...userIds];
  return { share: phase === 'gradual_rollout' ? percentage : 0, named };
}

/** A phase in which users have been told that sessions end. */
export function isAnnounced(phase: Phase): boolean {
  return PHASES.indexOf(phase) >= PHASES.indexOf('deprecation_notice');
}
