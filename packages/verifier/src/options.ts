import type { Fetch } from './service/bounded-fetch.js';

/** A service client that the service knows (`POST /admin/oauth/clients`) with the scope `revocations`. */
export interface ServiceClient {
  readonly id: string;
  readonly secret: string;
}

export interface VerifierOptions {
  /** `JWT_ISSUER` of the service, exactly as it is set there. */
  readonly issuer: string;
  /** `JWT_AUDIENCE` of the service. */
  readonly audience: string;
  /** Follows the service's revocations. Without it, a revoked token is accepted until it expires. */
  readonly client?: ServiceClient | undefined;
  /**
   * Also accepts session cookies, by asking the service. All cookies are sent to it, unless `cookie` names the session cookie
   * (SESSION_COOKIE_NAME).
   */
  readonly sessions?: boolean | { readonly cookie: string } | undefined;
  /** Calls the service. Default: the global `fetch`. */
  readonly fetch?: Fetch | undefined;
}

/** Checks the options. Throws a TypeError that names a wrong option. No message contains a secret. */
export function checkOptions({ issuer, audience, client, sessions }: VerifierOptions): void {
  if (typeof issuer !== 'string' || !URL.canParse(issuer)) throw new TypeError('issuer must be a URL');
  const { protocol, hostname, search, hash, username, password } = new URL(issuer);
  if (/(?:^|\.)invalid\.?$/.test(hostname))
    throw new TypeError(
      'issuer is that of the test kit: use its verifier in tests, and your service in production',
    );
  if (search !== '' || hash !== '' || username !== '' || password !== '')
    throw new TypeError('issuer must have no query, fragment or credentials');
  if (protocol !== 'https:' && !(protocol === 'http:' && isNearby(hostname)))
    throw new TypeError(
      'issuer must begin with https:// unless it is on this machine or in its container network',
    );
  if (typeof audience !== 'string' || audience === '') throw new TypeError('audience must be text');
  if (client !== undefined && !(isText(client.id) && isText(client.secret)))
    throw new TypeError('client must have an id and a secret');
  if (typeof sessions === 'object' && !isText(sessions.cookie))
    throw new TypeError('sessions.cookie must be the name of a cookie');
}

/** The value of `Authorization` (RFC 6749, section 2.3.1: both parts are form-encoded first). */
export function basicAuthorization({ id, secret }: ServiceClient): string {
  return `Basic ${btoa(`${formEncode(id)}:${formEncode(secret)}`)}`;
}

function formEncode(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** Loopback, a name for tests (RFC 6761), or a name without a dot: no name on the Internet. */
function isNearby(hostname: string): boolean {
  return (
    hostname === '[::1]' ||
    /^127\.\d+\.\d+\.\d+$/.test(hostname) ||
    /(?:^|\.)(?:localhost|test)$/.test(hostname) ||
    !hostname.includes('.')
  );
}
