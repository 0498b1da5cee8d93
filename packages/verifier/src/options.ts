import type { Fetch } from './service/bounded-fetch.js';

/** A service client with the scope `revocations`, registered with `POST /admin/clients`. */
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
      'issuer belongs to @tandem-auth/verifier/testing: use the verifier of the test kit in tests, and the URL of your service in production',
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

/**
 * True for a loopback address, for a name that ends in `localhost` or `test` (RFC 6761), and for a name without a dot, which is not on
 * the Internet. Takes the hostname of a URL: IPv6 addresses are in brackets and in canonical form.
 */
function isNearby(hostname: string): boolean {
  if (hostname.startsWith('['))
    return hostname === '[::1]' || /^\[::ffff:7f[\da-f]{2}:[\da-f]{1,4}\]$/.test(hostname);
  return (
    /^127\.\d+\.\d+\.\d+$/.test(hostname) ||
    /(?:^|\.)(?:localhost|test)$/.test(hostname) ||
    !hostname.includes('.')
  );
}
