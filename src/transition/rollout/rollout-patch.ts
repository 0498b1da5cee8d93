import type { FieldError } from '../../common/http/problem.js';
import { NOTICE, isAnnounced } from './rollout-state.js';
import type { Brownout, Phase, RolloutSettings } from './rollout-state.js';

/** The fields to change. `sunsetAt: null` removes the sunset. */
export type RolloutPatch = { readonly [Field in keyof RolloutSettings]?: RolloutSettings[Field] | undefined };

/** The settings after a change, or the faults of the change. */
export type Patched = { readonly next: RolloutSettings } | { readonly errors: readonly FieldError[] };

/**
 * The settings after `patch` at `now` (milliseconds). Entering `deprecation_notice` sets a sunset, 90 days ahead unless one is given.
 * Returning to an earlier phase removes sunset and brownouts unless they are given, so that no forgotten date ends sessions in the
 * middle of a rollout. Stored brownouts after a new sunset are removed.
 */
export function patched(current: RolloutSettings, patch: RolloutPatch, now: number): Patched {
  const phase = patch.phase ?? current.phase;
  const back = isAnnounced(current.phase) && !isAnnounced(phase);
  const sunsetAt = sunsetOf(current, patch, phase, now, back);
  const ends = sunsetAt ?? Infinity;
  const errors = patch.brownouts === undefined ? [] : faultsOf(patch.brownouts, current.brownouts, ends, now);
  if (errors.length > 0) return { errors };
  const kept = back ? [] : current.brownouts.filter(({ to }) => to <= ends);
  return {
    next: {
      phase,
      percentage: patch.percentage ?? current.percentage,
      roles: patch.roles ?? current.roles,
      userIds: patch.userIds ?? current.userIds,
      drain: patch.drain ?? current.drain,
      sunsetAt,
      brownouts: patch.brownouts?.toSorted((a, b) => a.from - b.from) ?? kept,
    },
  };
}

function sunsetOf(
  current: RolloutSettings,
  patch: RolloutPatch,
  phase: Phase,
  now: number,
  back: boolean,
): number | null {
  if (typeof patch.sunsetAt === 'number') return patch.sunsetAt;
  if (back) return null;
  const kept = patch.sunsetAt === null ? null : current.sunsetAt;
  if (phase !== 'deprecation_notice') return kept;
  const stale = kept !== null && kept <= now && current.phase !== 'deprecation_notice';
  return kept === null || stale ? Math.round(now) + NOTICE : kept;
}

/** The most brownouts of a rollout. */
export const MAX_BROWNOUTS = 100;

/** A stored brownout may be in the past: a client may send back the state that it received. */
function faultsOf(
  given: readonly Brownout[],
  stored: readonly Brownout[],
  sunsetAt: number,
  now: number,
): FieldError[] {
  if (given.length > MAX_BROWNOUTS)
    return [{ field: 'brownouts', message: `brownouts must be at most ${MAX_BROWNOUTS}` }];
  const isStored = (one: Brownout) => stored.some(({ from, to }) => from === one.from && to === one.to);
  return given.flatMap((one, index) => {
    const fault = (field: string, what: string) => ({
      field: `brownouts.${index}.${field}`,
      message: `${field} ${what}`,
    });
    if (one.from >= one.to) return [fault('to', 'must be after from')];
    if (one.to <= now && !isStored(one)) return [fault('to', 'must not be over')];
    if (one.to > sunsetAt) return [fault('to', 'must not be after sunset_at')];
    const overlaps = given.some(
      (other, at) => at < index && other.from < one.to && one.from < other.to && other.from < other.to,
    );
    return overlaps ? [fault('from', 'must not be within another brownout')] : [];
  });
}
