import type { FastifyRequest } from 'fastify';
import { bearerIn } from '../../../auth/bearer.js';
import { refreshCookieOf } from '../../../auth/refresh-cookie.js';
import type { Scheme } from '../scheme.js';

/** A credential that was refused, kept in memory until it has been looked at again. */
export interface Suspect {
  readonly kind: 'access' | 'refresh' | 'session';
  readonly scheme: Scheme;
  /** The token, or the whole Cookie header. */
  readonly credential: string;
  readonly code: string;
  /** When it was refused, in milliseconds on the database's clock. */
  readonly at: number;
  /** Whether logins of users who are not eligible were being ended on purpose. */
  readonly draining: boolean;
}

const ACCESS_CODES = new Set(['token_invalid', 'token_expired', 'token_revoked']);

const REFRESH_CODES = new Set([
  'refresh_token_invalid',
  'refresh_token_reused',
  'refresh_token_revoked',
  'jwt_not_enabled',
]);

/** Where a refresh token is presented to go on with a login. Whoever logs out is not cut off. */
const REFRESH_ROUTES = new Set(['/auth/refresh', '/auth/downgrade', '/oauth/token']);

const LOGOUT_ROUTES = new Set(['/auth/logout', '/api/logout']);

/** The credential that a request was refused for; undefined if the refusal says nothing of one. */
export function suspectIn(
  request: FastifyRequest,
  code: string,
): Pick<Suspect, 'kind' | 'credential'> | undefined {
  const url = request.routeOptions.url ?? '';
  if (LOGOUT_ROUTES.has(url)) return undefined;
  const bearer = bearerIn(request.headers.authorization);
  if (REFRESH_ROUTES.has(url)) {
    const credential = REFRESH_CODES.has(code) ? refreshTokenIn(request) : undefined;
    return credential === undefined ? undefined : { kind: 'refresh', credential };
  }
  if (ACCESS_CODES.has(code) && bearer !== undefined) return { kind: 'access', credential: bearer };
  const { cookie } = request.headers;
  if (code === 'session_invalid' && bearer === undefined && cookie !== undefined)
    return { kind: 'session', credential: cookie };
  return undefined;
}

function refreshTokenIn(request: FastifyRequest): string | undefined {
  const { body } = request;
  if (body instanceof URLSearchParams) return body.get('refresh_token') ?? undefined;
  const { refresh_token } = Object(body) as { refresh_token?: unknown };
  return typeof refresh_token === 'string' ? refresh_token : refreshCookieOf(request);
}
