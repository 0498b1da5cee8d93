import type { FastifyRequest } from 'fastify';
import { refuse } from '../../common/common.errors.js';

/**
 * Throws 403 `cross_site_request` if a browser says that another site's page makes this call, unless the page's origin
 * is listed. To be asked of every call whose credential is a cookie: browsers add those to anybody's requests.
 * A client that is no browser sends neither header and passes.
 */
export function refuseOtherSites(request: FastifyRequest, listed: readonly string[]): void {
  const { origin } = request.headers;
  if (typeof origin === 'string' && listed.includes(origin)) return;
  const site = request.headers['sec-fetch-site'];
  if (site === 'same-origin' || site === 'none') return;
  // `same-site` is another origin of the same site: a subdomain is not trusted unless it is listed.
  if (site !== undefined) throw refuse('cross_site_request');
  if (origin !== undefined && hostOf(origin) !== request.host) throw refuse('cross_site_request');
}

/** Whether a browser made this call for a page: scripts of that page can read the answer's body, but no HttpOnly cookie. */
export function isFromWebPage({ headers }: FastifyRequest): boolean {
  return headers.origin !== undefined || headers['sec-fetch-site'] !== undefined;
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}
