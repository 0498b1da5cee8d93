import { ACCESS_ERRORS } from '@tandem-auth/verifier/refusals';
import { problems } from '../../common/http/problem.js';
import type { ProblemKind } from '../../common/http/problem.js';

/** Refusals of callers with a session cookie. */
export const SESSION_ERRORS = {
  session_invalid: ACCESS_ERRORS.session_invalid,
  sessions_brownout: ACCESS_ERRORS.sessions_brownout,
  sessions_removed: ACCESS_ERRORS.sessions_removed,
  already_exchanged: { status: 409, title: 'The session was already exchanged for tokens' },
} as const satisfies Record<string, ProblemKind>;

export const refuseSession = problems(SESSION_ERRORS);

/** Refusals to open a session. */
export const SESSION_LOGIN_ERRORS = {
  sessions_removed: { status: 410, title: 'Sessions can no longer be opened' },
} as const satisfies Record<string, ProblemKind>;

export const refuseNewSession = problems(SESSION_LOGIN_ERRORS);
