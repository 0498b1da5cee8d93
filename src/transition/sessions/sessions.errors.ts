import { problems } from '../../common/problem.js';
import type { ProblemKind } from '../../common/problem.js';

/** Refusals of callers with a session cookie. */
export const SESSION_ERRORS = {
  session_invalid: { status: 401, title: 'The session is not valid' },
  sessions_brownout: { status: 401, title: 'Sessions are switched off for a short time' },
  sessions_removed: { status: 401, title: 'Sessions are no longer accepted' },
  already_exchanged: { status: 409, title: 'The session was already exchanged for tokens' },
} as const satisfies Record<string, ProblemKind>;

export const refuseSession = problems(SESSION_ERRORS);

/** Refusals to open a session. */
export const SESSION_LOGIN_ERRORS = {
  sessions_removed: { status: 410, title: 'Sessions can no longer be opened' },
} as const satisfies Record<string, ProblemKind>;

export const refuseNewSession = problems(SESSION_LOGIN_ERRORS);
