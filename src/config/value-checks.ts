import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { isForbiddenAddress } from './forbidden-address.js';

export const MAX_WORKERS = 256;

/** Splits a comma-separated value and trims the items. Empty items stay, so that validation refuses them. */
export function commaSeparated(value: unknown): unknown {
  return typeof value === 'string' ? value.split(',').map((item) => item.trim()) : value;
}

/** Converts web origins to their canonical form (RFC 6454, section 6.2). Returns an invalid list unchanged. */
export function canonicalOrigins(value: unknown): unknown {
  const items = commaSeparated(value);
  if (!Array.isArray(items) || !items.every(isOrigin)) return items;
  return [...new Set(items.map((item) => new URL(item).origin))];
}

/** An origin in the spelling of browsers. Leaves other values to the validation. */
export function canonicalOrigin(value: unknown): unknown {
  return isOrigin(value) ? new URL(value).origin : value;
}

/** True for `http(s)://host[:port]`. `*` and `null` are not allowed. */
export function isOrigin(value: unknown): value is string {
  return typeof value === 'string' && /^https?:\/\/[^\s\\/?#@*]+\/?$/i.test(value) && URL.canParse(value);
}

/** Parses `WORKERS`. `auto` means one worker per core that this process may use. */
export function workers(value: unknown): unknown {
  if (value === 'auto') return Math.min(availableParallelism(), MAX_WORKERS);
  return typeof value === 'string' && /^[1-9]\d{0,2}$/.test(value) ? Number(value) : value;
}

/** Converts `true` and `false`, and leaves every other value to the validation. */
export function trueOrFalse(value: unknown): unknown {
  return value === 'true' ? true : value === 'false' ? false : value;
}

/** True for a name that PostgreSQL stores unchanged, even without quotation marks. Names that begin with `pg_` are its own. */
export function isSchemaName(value: unknown): boolean {
  return (
    typeof value === 'string' &&
    /^[a-z_][a-z0-9_]{0,62}$/.test(value) &&
    !/^(?:pg_.*|information_schema)$/.test(value)
  );
}

/** True for an IP address or a host name (RFC 1123, section 2.1). */
export function isHost(value: unknown): boolean {
  if (typeof value !== 'string' || value.length > 253) return false;
  return (
    isIP(value) !== 0 ||
    /^(?!\d+(?:\.\d+)*$)[a-z\d](?:[a-z\d-]*[a-z\d])?(?:\.[a-z\d](?:[a-z\d-]*[a-z\d])?)*$/i.test(value)
  );
}

/** True for a URL with one of the schemes (such as `https:`). */
export function isUrlOf(value: unknown, ...schemes: readonly string[]): boolean {
  if (typeof value !== 'string' || /\s/.test(value)) return false;
  return schemes.includes(URL.parse(value)?.protocol ?? '');
}

/**
 * True for an issuer that RFC 8414, section 2, allows, and for `http:`, which development needs. The path is written into cookies and
 * pages, so it must not contain their delimiters. `//` is not allowed, because a link could then lead to another host.
 */
export function isIssuer(value: unknown): boolean {
  if (!isUrlOf(value, 'http:', 'https:')) return false;
  return /^https?:\/\/[^\\?#@;&',/]+(?:\/[^\\?#@;&',/]+)*\/?$/i.test(String(value));
}

/** True for text that is not blank and contains no control character. */
export function isText(value: unknown): boolean {
  return typeof value === 'string' && /\S/.test(value) && !/\p{Cc}/u.test(value);
}

/** True for a loopback host, which other machines cannot reach. */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d+){3}|\[?::1\]?)$/i.test(host);
}

export function isListOf(value: unknown, allows: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(allows);
}

/** True for an http or https URL that this service may call: without credentials, which belong into a secret, and without a fragment. */
export function isCallableUrl(value: unknown): boolean {
  if (!isUrlOf(value, 'http:', 'https:')) return false;
  const { username, password, hash } = new URL(String(value));
  return username === '' && password === '' && hash === '';
}

/** True for an https URL, and for an http URL of this machine. */
export function isHttpsOrLoopback(value: unknown): boolean {
  if (!isUrlOf(value, 'http:', 'https:')) return false;
  const { protocol, hostname } = new URL(String(value));
  return protocol === 'https:' || isLoopback(hostname);
}

/** True for a URL whose host is an address that this service never calls. A name is resolved at each call. */
export function namesForbiddenAddress(value: unknown): boolean {
  const hostname =
    typeof value === 'string' ? URL.parse(value)?.hostname.replace(/^\[(.*)\]$/, '$1') : undefined;
  return hostname !== undefined && isIP(hostname) !== 0 && isForbiddenAddress(hostname);
}

/** True for a secret of Standard Webhooks: `whsec_` and 24 to 64 bytes in canonical base64. */
export function isWebhookSecret(value: unknown): boolean {
  const text = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(typeof value === 'string' ? value : '')?.[1];
  if (text === undefined) return false;
  const key = Buffer.from(text, 'base64');
  return key.length >= 24 && key.length <= 64 && key.toString('base64') === text;
}
