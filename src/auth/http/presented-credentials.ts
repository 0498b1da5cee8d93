import '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { cookieValues } from '../../common/http/http.js';
import type { Config } from '../../config/config.js';
import type { RefreshDto } from '../auth.dto.js';
import { refuseOtherSites } from './request-origin.js';

export { bearerIn } from '@tandem-auth/verifier/token';

const NAME = 'refresh_token';
const OPTIONS = { httpOnly: true, secure: true, sameSite: 'strict' } as const;

export interface PresentedRefreshTokens {
  /** Several only if the request has several cookies. */
  readonly tokens: readonly string[];
  readonly byCookie: boolean;
}

/**
 * The refresh tokens of a request. A token in the body takes precedence over the cookies. Throws 403 `cross_site_request` if the token
 * is in a cookie and a page of another site sent it, unless `listed` contains the page's origin.
 */
export function presentedRefreshTokens(
  request: FastifyRequest,
  body: RefreshDto,
  listed: readonly string[],
): PresentedRefreshTokens {
  // `null` counts as no token: some clients serialise a missing value that way.
  if (typeof body.refresh_token === 'string') return { tokens: [body.refresh_token], byCookie: false };
  const tokens = refreshCookiesOf(request);
  if (tokens.length > 0) refuseOtherSites(request, listed);
  return { tokens, byCookie: tokens.length > 0 };
}

/** The distinct values of all refresh token cookies of a request. There are several if somebody else set one too. */
export function refreshCookiesOf({ headers }: FastifyRequest): string[] {
  return cookieValues(headers.cookie, NAME).filter((value) => value !== '');
}

/** The first of {@link refreshCookiesOf}. For statistics only: the token may belong to somebody else. */
export function refreshCookieOf(request: FastifyRequest): string | undefined {
  return refreshCookiesOf(request)[0];
}

/** `maxAge` in seconds: how long the family can last without being used. */
export function setRefreshCookie(reply: FastifyReply, token: string, maxAge: number, config: Config): void {
  // The same attributes as OPTIONS. The plugin would serialise them again for each token, and a token needs no escaping.
  reply.header(
    'Set-Cookie',
    `${NAME}=${token}; Max-Age=${maxAge}; Path=${pathOf(config)}; HttpOnly; Secure; SameSite=Strict`,
  );
}

export function clearRefreshCookie(reply: FastifyReply, config: Config): void {
  reply.clearCookie(NAME, { ...OPTIONS, path: pathOf(config) });
}

/** The browser sends the cookie to this path and below. */
function pathOf({ pathPrefix }: Config): string {
  return `${pathPrefix}/auth`;
}
