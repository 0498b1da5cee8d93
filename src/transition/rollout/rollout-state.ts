import { DEFAULT_ROLE } from '../../common/role.js';
import type { Role } from '../../common/role.js';

/** The phases of the move from sessions to tokens, in order. */
export const PHASES = [
  'off',
  'internal_beta',
  'gradual_rollout',
  'deprecation_notice',
  'sessions_removed',
] as const;

export type Phase = (typeof PHASES)[number];

/** A period in which session requests are refused, as a warning. Milliseconds since the epoch; `to` is exclusive. */
export interface Brownout {
  readonly from: number;
  readonly to: number;
}

/** The settings that administrators change. */
export interface RolloutSettings {
  readonly phase: Phase;
  /** The share of all users, a whole number from 0 to 100. */
  readonly percentage: number;
  readonly roles: readonly Role[];
  /** UUIDs in lower case. */
  readonly userIds: readonly string[];
  /** Whether the next refresh of users who are not eligible is refused, so that they return to a session. */
  readonly drain: boolean;
  /** When sessions end, in milliseconds since the epoch. Once it has passed, sessions are removed in any phase. */
  readonly sunsetAt: number | null;
  /** In order, without overlap. */
  readonly brownouts: readonly Brownout[];
}

/** The settings with their version. Each change has a higher version. */
export interface RolloutState extends RolloutSettings {
  readonly version: number;
}

/** The default time from the deprecation notice to the sunset, in milliseconds. */
export const NOTICE = 90 * 24 * 3_600_000;

/** The phase that applies at `now`. */
export function phaseAt({ phase, sunsetAt }: RolloutSettings, now: number): Phase {
  return sunsetAt !== null && sunsetAt <= now ? 'sessions_removed' : phase;
}

/** The state with the phase that applies at `now`. */
export function inForce<State extends RolloutSettings>(state: State, now: number): State {
  return { ...state, phase: phaseAt(state, now) };
}

/** The brownout at `now`; undefined if there is none. */
export function brownoutAt(settings: RolloutSettings, now: number): Brownout | undefined {
  if (phaseAt(settings, now) !== 'deprecation_notice') return undefined;
  return settings.brownouts.find(({ from, to }) => from <= now && now < to);
}

/** The settings of a new database. */
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
 * Whether `next` makes users eligible who are not eligible under `current`, both at `now`. Administrators, the users with `adminRole`, do
 * not count: they are eligible in every phase.
 */
export function widensEligibility(
  current: RolloutSettings,
  next: RolloutSettings,
  now: number,
  adminRole: Role,
): boolean {
  const [before, after] = [eligibleAt(current, now, adminRole), eligibleAt(next, now, adminRole)];
  if (before.share === 100) return false;
  return after.share > before.share || after.named.some((name) => !before.named.includes(name));
}

/** The share of all users, and the roles and ids beyond it. */
function eligibleAt(
  settings: RolloutSettings,
  now: number,
  adminRole: Role,
): { share: number; named: readonly string[] } {
  const { percentage, roles, userIds } = settings;
  const phase = phaseAt(settings, now);
  if (phase === 'off') return { share: 0, named: [] };
  if (isAnnounced(phase) || roles.includes(DEFAULT_ROLE)) return { share: 100, named: [] };
  const named = [...roles.filter((role) => role !== adminRole), ...userIds];
  return { share: phase === 'gradual_rollout' ? percentage : 0, named };
}

/** A sunset this close, in milliseconds, needs a fresh password. */
const SOON = 24 * 3_600_000;

/** Whether `next` sets another end of sessions than `current`, and this end is within a day of `now` or has passed. */
export function endsSessionsSoon(current: RolloutSettings, next: RolloutSettings, now: number): boolean {
  const end = endOfSessions(next);
  return end !== endOfSessions(current) && end <= now + SOON;
}

function endOfSessions({ phase, sunsetAt }: RolloutSettings): number {
  return phase === 'sessions_removed' ? -Infinity : (sunsetAt ?? Infinity);
}

/** Whether users have been told in this phase that sessions end. */
export function isAnnounced(phase: Phase): boolean {
  return PHASES.indexOf(phase) >= PHASES.indexOf('deprecation_notice');
}
