import { problems } from '../common/http/problem.js';
import type { ProblemKind } from '../common/http/problem.js';

/** The error table of users. */
export const USER_ERRORS = {
  username_taken: { status: 409, title: 'The username is taken' },
  external_id_taken: { status: 409, title: 'The external id is taken' },
  stale_version: { status: 409, title: 'A later version of the user is stored' },
  last_admin: { status: 409, title: 'No active administrator would be left' },
  password_managed_elsewhere: { status: 409, title: 'The password is managed elsewhere' },
  password_too_weak: { status: 400, title: 'The password is too weak' },
} as const satisfies Record<string, ProblemKind>;

export const refuseUser = problems(USER_ERRORS);
