import { problems } from '../common/http/problem.js';
import type { ProblemKind } from '../common/http/problem.js';

/** Refusals of administrative calls. */
export const ADMIN_ERRORS = {
  more_than_expected: { status: 409, title: 'More families and sessions would be revoked than expected' },
} as const satisfies Record<string, ProblemKind>;

export const refuseAdmin = problems(ADMIN_ERRORS);
