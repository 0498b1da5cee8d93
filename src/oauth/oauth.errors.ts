import type { ClientScope } from '../auth/client-scopes.js';
import { problems } from '../common/http/problem.js';
import type { ProblemKind } from '../common/http/problem.js';

/** Refusals of the endpoints for other services, with the codes of RFC 6749, section 5.2. */
export const OAUTH_ERRORS = {
  invalid_request: { status: 400, title: 'A parameter is missing, given twice or not valid' },
  invalid_client: { status: 401, title: 'The client could not be authenticated' },
  insufficient_scope: { status: 403, title: 'The client may not do this' },
  unsupported_grant_type: { status: 400, title: 'The grant type is not supported' },
  invalid_scope: { status: 400, title: 'Tokens have no scopes here' },
} as const satisfies Record<string, ProblemKind>;

const refusal = problems(OAUTH_ERRORS);

/** RFC 6749, section 5.2: a client that tried Basic gets a Basic challenge. The endpoints accept both schemes. */
const CHALLENGE = { 'WWW-Authenticate': 'Bearer realm="tandem", Basic realm="tandem"' };

/** Creates a 403 (RFC 6750, section 3.1): the client is authenticated and lacks a scope. */
export function insufficientScope(scope: ClientScope) {
  const challenge = `Bearer realm="tandem", error="insufficient_scope", scope="${scope}"`;
  return refusal('insufficient_scope', { headers: { 'WWW-Authenticate': challenge } });
}

/** Refusals of the administration of service clients. */
export const CLIENT_ERRORS = {
  client_not_trusted: {
    status: 409,
    title: 'The row of the client was not written by this service. Renew its secret or disable it',
  },
} as const satisfies Record<string, ProblemKind>;

export const refuseClient = problems(CLIENT_ERRORS);

export function refuseOAuth(code: keyof typeof OAUTH_ERRORS, detail?: string) {
  return refusal(code, {
    ...(detail === undefined ? {} : { detail }),
    ...(code === 'invalid_client' ? { headers: CHALLENGE } : {}),
  });
}
