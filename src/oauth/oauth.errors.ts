import { problems } from '../common/problem.js';
import type { ProblemKind } from '../common/problem.js';

/** Refusals of the endpoints for other services, with the codes of RFC 6749, section 5.2. */
export const OAUTH_ERRORS = {
  invalid_request: { status: 400, title: 'A parameter is missing, given twice or not valid' },
  invalid_client: { status: 401, title: 'The client could not be authenticated' },
  unsupported_grant_type: { status: 400, title: 'The grant type is not supported' },
  invalid_scope: { status: 400, title: 'There are no scopes here' },
} as const satisfies Record<string, ProblemKind>;

const refusal = problems(OAUTH_ERRORS);

/** RFC 6749, section 5.2: a client that tried Basic gets a Basic challenge. The endpoints accept both schemes. */
const CHALLENGE = { 'WWW-Authenticate': 'Bearer realm="tandem", Basic realm="tandem"' };

export function refuseOAuth(code: keyof typeof OAUTH_ERRORS, detail?: string) {
  return refusal(code, {
    ...(detail === undefined ? {} : { detail }),
    ...(code === 'invalid_client' ? { headers: CHALLENGE } : {}),
  });
}
