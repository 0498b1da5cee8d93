import type { FastifyRequest } from 'fastify';
import type { RefreshDto } from '../auth.dto.js';
import { refuseOtherSites } from './cross-site.js';
import { refreshCookiesOf } from './refresh-cookie.js';

export interface PresentedRefreshTokens {
  /** Several only if the request has several cookies. */
  readonly tokens: readonly string[];
  readonly byCookie: boolean;
}

/**
 * The refresh tokens of a call: one in the body counts before the cookies. One in a cookie must not come from another site's page,
 * unless its origin is `listed`: throws 403 `cross_site_request`.
 */
export function presentedRefreshTokens(
  request: FastifyRequest,
  body: RefreshDto,
  listed: readonly string[],
): PresentedRefreshTokens {
  // `null` is no token: for a client that serialises what it has not got.
  if (typeof body.refresh_token === 'string') return { tokens: [body.refresh_token], byCookie: false };
  const tokens = refreshCookiesOf(request);
  if (tokens.length > 0) refuseOtherSites(request, listed);
  return { tokens, byCookie: tokens.length > 0 };
}
