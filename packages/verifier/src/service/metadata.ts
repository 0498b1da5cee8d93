import { StatusError, fetchJson } from './bounded-fetch.js';
import type { Fetch } from './bounded-fetch.js';

/** Where the service is, as its metadata says (RFC 8414). */
export interface Metadata {
  readonly jwksUri: string;
  /** The URL of the stream; undefined if the service is too old to have it. */
  readonly revocationsEndpoint: string | undefined;
}

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 65_536;
const WELL_KNOWN = '/.well-known/oauth-authorization-server';

/** The metadata is wrong for this issuer. Asking again does not help until somebody changes a setting. */
export class MetadataError extends Error {
  override readonly name = 'MetadataError';
}

/**
 * Reads the metadata of the issuer. Refuses metadata of another issuer, and endpoints on another origin: our keys and the secret of our
 * client go nowhere else.
 */
export async function fetchMetadata(fetch: Fetch, issuer: string, signal: AbortSignal): Promise<Metadata> {
  const document = Object(await fetchFirst(fetch, locationsOf(issuer), signal)) as Record<string, unknown>;
  if (document['issuer'] !== issuer)
    throw new MetadataError(`the metadata at ${issuer} is that of another issuer`);
  const { jwks_uri: jwks, revocations_endpoint: revocations } = document;
  return {
    jwksUri: requireSameOrigin('jwks_uri', jwks, issuer),
    revocationsEndpoint:
      revocations === undefined ? undefined : requireSameOrigin('revocations_endpoint', revocations, issuer),
  };
}

/** RFC 8414, section 3. If the issuer has a path, some proxies serve the document below it only. */
function locationsOf(issuer: string): readonly [string, ...string[]] {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  return path === '' ? [origin + WELL_KNOWN] : [origin + WELL_KNOWN + path, origin + path + WELL_KNOWN];
}

async function fetchFirst(fetch: Fetch, urls: readonly string[], signal: AbortSignal): Promise<unknown> {
  const [url, ...others] = urls;
  try {
    return await fetchJson(fetch, url!, { timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES, signal });
  } catch (error) {
    const elsewhere = others.length > 0 && error instanceof StatusError && error.status === 404;
    if (elsewhere) return fetchFirst(fetch, others, signal);
    throw error;
  }
}

function requireSameOrigin(name: string, url: unknown, issuer: string): string {
  const same = typeof url === 'string' && URL.canParse(url) && new URL(url).origin === new URL(issuer).origin;
  if (!same) throw new MetadataError(`${name} in the metadata is not at the origin of ${issuer}`);
  return url;
}
