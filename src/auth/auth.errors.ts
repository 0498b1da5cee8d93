import { problems } from '../common/http/problem.js';
import type { ProblemKind } from '../common/http/problem.js';

/** Refusals of logins and of device management. */
export const AUTH_ERRORS = {
  invalid_credentials: { status: 401, title: 'The username or password is incorrect' },
  jwt_not_enabled: { status: 403, title: 'Tokens are not enabled for this user' },
  fresh_password_required: { status: 403, title: 'This action needs your password again' },
  console_origin_only: { status: 403, title: 'Administrators sign in at the console' },
  device_not_found: { status: 404, title: 'There is no such device' },
} as const satisfies Record<string, ProblemKind>;

export const refuseAuth = problems(AUTH_ERRORS);
