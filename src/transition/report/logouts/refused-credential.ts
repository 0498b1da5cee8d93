import type { FastifyRequest } from 'fastify';
import { bearerIn, refreshCookieOf } from '../../../auth/http/presented-credentials.js';
import type { Scheme } from '../report.entity.js';

/**
 * The cause of an unexpected logout: a genuine credential was refused although it had not expired and nobody had revoked it. Intended
 * refusals have no cause here: logout, revocation, reuse, expiry, a disabled user, a distrusted key, the rollout setting `drain`, a
 * brownout, the sunset and forged credentials.
 */
export type LogoutCause =
  // Access tokens.
  /** Its key has left the ring without being distrusted. */
  | 'key_removed'
  /** Its key was distrusted, but the refusal did not say `token_revoked`, so the client does not refresh. */
  | 'key_distrusted'
  /** JWT_ISSUER or JWT_AUDIENCE has changed since it was minted. */
  | 'issuer_changed'
  | 'audience_changed'
  /** Refused as expired before it expired on the database's clock. */
  | 'expired_early'
  /** Refused as revoked, but its family is not revoked. */
  | 'revoked_without_ending'
  // Access and refresh tokens.
  /** The family's row is missing, and no audit event revoked the family. */
  | 'login_missing'
  /** The family's row is revoked without a reason. The service always writes one. */
  | 'ended_without_reason'
  // Refresh tokens.
  /** It was made with a JWT_SECRET that is neither the current nor the previous one of this node. */
  | 'secret_changed'
  /** Its generation is ahead of the family's row: the database has lost a refresh. */
  | 'refresh_forgotten'
  /** Refused as reused within the reuse grace period or the lost-response window. */
  | 'reuse_in_window'
  /** Its user is not eligible for tokens, but the rollout setting `drain` is off, so the family may rotate. */
  | 'not_enabled'
  // Sessions.
  /** Its cookie was signed with a different SESSION_SECRET. */
  | 'session_secret_changed'
  /** The session names an unknown user. */
  | 'session_user_unknown'
  // Any.
  /** No fault was found. */
  | 'unexplained';

/** An unexpected logout: a genuine credential was refused. */
export interface UnexpectedLogout {
  readonly cause: LogoutCause;
  /** The token family, or a hash of the session id. */
  readonly subject: string;
  readonly userId: string | undefined;
}

/** A refused credential, kept in memory until it is classified. */
export interface RefusedCredential {
  readonly kind: 'access' | 'refresh' | 'session';
  readonly scheme: Scheme;
  /** The token, or the whole Cookie header. */
  readonly credential: string;
  readonly code: string;
  /** The client's address or network: {@link clientSubject}. */
  readonly source: string;
  /** When it was refused: milliseconds on the database's clock. */
  readonly at: number;
  /** Whether the rollout setting `drain` was on: then families of users who are not eligible are revoked on purpose. */
  readonly draining: boolean;
}

/** The codes that refuse a kind of credential. */
const CODES: Readonly<Record<RefusedCredential['kind'], ReadonlySet<string>>> = {
  access: new Set(['token_invalid', 'token_expired', 'token_revoked']),
  refresh: new Set([
    'refresh_token_invalid',
    'refresh_token_reused',
    'refresh_token_revoked',
    'jwt_not_enabled',
  ]),
  session: new Set(['session_invalid']),
};

/** The routes that rotate a refresh token. */
const REFRESH_ROUTES = new Set(['/auth/refresh', '/auth/downgrade', '/oauth/token']);

const LOGOUT_ROUTES = new Set(['/auth/logout', '/api/logout']);

/** The credential that a request presents; undefined if there is none. */
export function credentialIn(
  request: FastifyRequest,
): Pick<RefusedCredential, 'kind' | 'credential'> | undefined {
  if (REFRESH_ROUTES.has(request.routeOptions.url ?? '')) {
    const credential = refreshTokenIn(request);
    return credential === undefined ? undefined : { kind: 'refresh', credential };
  }
  const bearer = bearerIn(request.headers.authorization);
  if (bearer !== undefined) return { kind: 'access', credential: bearer };
  const { cookie } = request.headers;
  return cookie === undefined ? undefined : { kind: 'session', credential: cookie };
}

/** The credential that a request was refused for. Undefined for a logout, and if `code` does not refuse a credential. */
export function refusedCredentialIn(
  request: FastifyRequest,
  code: string,
): Pick<RefusedCredential, 'kind' | 'credential'> | undefined {
  if (LOGOUT_ROUTES.has(request.routeOptions.url ?? '')) return undefined;
  const found = credentialIn(request);
  return found !== undefined && CODES[found.kind].has(code) ? found : undefined;
}

function refreshTokenIn(request: FastifyRequest): string | undefined {
  const { body } = request;
  if (body instanceof URLSearchParams) return body.get('refresh_token') ?? undefined;
  const { refresh_token } = Object(body) as { refresh_token?: unknown };
  return typeof refresh_token === 'string' ? refresh_token : refreshCookieOf(request);
}
