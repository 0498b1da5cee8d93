import type { FastifyRequest } from 'fastify';
import { bearerIn, refreshCookieOf } from '../../../auth/http/presented-credentials.js';
import type { Scheme } from '../report.entity.js';

/** A credential that was refused, kept in memory until it has been looked at again. */
export interface Suspect {
  readonly kind: 'access' | 'refresh' | 'session';
  readonly scheme: Scheme;
  /** The token, or the whole Cookie header. */
  readonly credential: string;
  readonly code: string;
  /** The client's address or network: {@link clientSubject}. */
  readonly source: string;
  /** When it was refused, in milliseconds on the database's clock. */
  readonly at: number;
  /** Whether logins of users who are not eligible were being ended on purpose. */
  readonly draining: boolean;
}

/** The codes that refuse a credential of a kind. */
const CODES: Readonly<Record<Suspect['kind'], ReadonlySet<string>>> = {
  access: new Set(['token_invalid', 'token_expired', 'token_revoked']),
  refresh: new Set([
    'refresh_token_invalid',
    'refresh_token_reused',
    'refresh_token_revoked',
    'jwt_not_enabled',
  ]),
  session: new Set(['session_invalid']),
};

/** Where a refresh token is presented to go on with a login. Whoever logs out is not cut off. */
const REFRESH_ROUTES = new Set(['/auth/refresh', '/auth/downgrade', '/oauth/token']);

const LOGOUT_ROUTES = new Set(['/auth/logout', '/api/logout']);

/** What a request presents to be let in by; undefined if it presents nothing. */
export function credentialIn(request: FastifyRequest): Pick<Suspect, 'kind' | 'credential'> | undefined {
  if (REFRESH_ROUTES.has(request.routeOptions.url ?? '')) {
    const credential = refreshTokenIn(request);
    return credential === undefined ? undefined : { kind: 'refresh', credential };
  }
  const bearer = bearerIn(request.headers.authorization);
  if (bearer !== undefined) return { kind: 'access', credential: bearer };
  const { cookie } = request.headers;
  return cookie === undefined ? undefined : { kind: 'session', credential: cookie };
}

/** The credential that a request was refused for; undefined if the refusal says nothing of one. */
export function suspectIn(
  request: FastifyRequest,
  code: string,
): Pick<Suspect, 'kind' | 'credential'> | undefined {
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
