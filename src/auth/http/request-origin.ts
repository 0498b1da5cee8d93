import type { FastifyRequest } from 'fastify';
import type { Origin } from '../../audit/audit-context.js';
import { refuse } from '../../common/common.errors.js';
import { maskSecrets } from '../../common/text.js';
import { clientAddress } from '../../limits/client-address.js';

const USER_AGENT_LENGTH = 256;

/** Where a request comes from, for the audit trail and the list of devices. */
export function originOf(request: FastifyRequest): Origin {
  return {
    ip: clientAddress(request),
    userAgent: userAgentOf(request) ?? null,
    requestId: String(request.id),
  };
}

/** The User-Agent header: at most 256 characters, with secrets of a known form masked. */
export function userAgentOf({ headers }: FastifyRequest): string | undefined {
  // PostgreSQL cannot store NUL, but Node refuses NUL in a header.
  const userAgent = headers['user-agent'];
  return userAgent === undefined ? undefined : maskSecrets(userAgent, USER_AGENT_LENGTH);
}

/**
 * Throws 403 `cross_site_request` if a browser says that a page of another site makes this call, unless `listed` contains the page's
 * origin. Call it for every request whose credential is a cookie, because browsers add cookies to any site's requests. A client that
 * is not a browser sends neither header and passes.
 */
export function refuseOtherSites(request: FastifyRequest, listed: readonly string[]): void {
  const { origin } = request.headers;
  if (typeof origin === 'string' && listed.includes(origin)) return;
  const site = request.headers['sec-fetch-site'];
  if (site === 'same-origin' || site === 'none') return;
  // `same-site` means another origin of the same site. A subdomain is not trusted unless it is listed.
  if (site !== undefined) throw refuse('cross_site_request');
  if (origin !== undefined && hostOf(origin) !== request.host) throw refuse('cross_site_request');
}

/** Whether a browser makes this call for a page. Scripts of that page can read the answer's body, but no HttpOnly cookie. */
export function isFromWebPage({ headers }: FastifyRequest): boolean {
  return headers.origin !== undefined || headers['sec-fetch-site'] !== undefined;
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}
