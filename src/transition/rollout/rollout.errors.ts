import { problems } from '../../common/http/problem.js';
import type { ProblemKind } from '../../common/http/problem.js';
import type { HistoryEvent } from './rollout-history.store.js';

/** Refusals to change the rollout. */
export const ROLLOUT_ERRORS = {
  stale_version: { status: 409, title: 'The rollout was changed after that version' },
  nothing_to_roll_back: { status: 409, title: 'There is no earlier state' },
  rollback_ends_sessions: { status: 409, title: 'The earlier state would end the sessions' },
} as const satisfies Record<string, ProblemKind>;

export const refuseRollout = problems(ROLLOUT_ERRORS);

/** The 409 for a change that is based on an older version. The member `changed` says who made the last change, and what it was. */
export function refuseStale({ state: _state, ...changed }: HistoryEvent) {
  const by = changed.actor ?? 'the autopilot';
  const detail = `The version is ${changed.version} now: ${by} changed the rollout at ${changed.at}`;
  return refuseRollout('stale_version', { detail, members: { changed } });
}
