import type { FastifyRequest } from 'fastify';
import type { RefreshDto } from './auth.dto.js';
import { refuseOtherSites } from './other-site.js';
import { refreshCookieOf } from './refresh-cookie.js';

export interface PresentedRefreshToken {
  readonly token: string | undefined;
  readonly byCookie: boolean;
}

/**
 * The refresh token of a call: one in the body counts before the cookie. One in a cookie must not come from another site's page,
 * unless its origin is `listed`: throws 403 `cross_site_request`.
 */
export function presentedRefreshToken(
  request: FastifyRequest,
  body: RefreshDto,
  listed: readonly string[],
): PresentedRefreshToken {
  // `null` is no token: for a client that serialises what it has not got.
  if (typeof body.refresh_token === 'string') return { token: body.refresh_token, byCookie: false };
  const token = refreshCookieOf(request);
  if (token !== undefined) refuseOtherSites(request, listed);
  return { token, byCookie: token !== undefined };
}
