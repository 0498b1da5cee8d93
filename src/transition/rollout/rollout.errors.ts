import { problems } from '../../common/problem.js';
import type { ProblemKind } from '../../common/problem.js';

/** Refusals to change the rollout. */
export const ROLLOUT_ERRORS = {
  stale_version: { status: 409, title: 'The rollout was changed after that version' },
  nothing_to_roll_back: { status: 409, title: 'There is no earlier state' },
  rollback_ends_sessions: { status: 409, title: 'The earlier state would end the sessions' },
} as const satisfies Record<string, ProblemKind>;

export const refuseRollout = problems(ROLLOUT_ERRORS);
