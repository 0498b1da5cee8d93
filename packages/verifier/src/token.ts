import { bytesOf, isCanonical } from './base64url.js';

export { isCanonical } from './base64url.js';

/** The exact payload of an access token (RFC 9068). Times in seconds since the epoch. */
export interface AccessClaims {
  readonly iss: string;
  readonly aud: string;
  readonly sub: string;
  readonly role: string;
  readonly sid: string;
  readonly jti: string;
  readonly iat: number;
  readonly exp: number;
  /** The id by which the product knows the user; absent if the user has none. */
  readonly external_id?: string;
}

/** The content of the `jti` of an access token. */
export interface JtiContent {
  /** The generation of the refresh token that was issued with it. */
  readonly generation: number;
  /** The user's epoch at that time. A revocation of the user names the first epoch that is still valid. */
  readonly epoch: number;
}

/** An access token that the service signed, with the content of its `jti`. It may have expired or be revoked. */
export interface VerifiedToken extends JtiContent {
  readonly claims: AccessClaims;
  readonly kid: string;
}

export type TokenFault = 'token_malformed' | 'token_invalid';

/** The form of a role's name. */
export const ROLE_PATTERN = '^[a-z][a-z0-9_-]{0,31}$';

/** The longest token that Tandem mints, with a 4096-bit key, is well below this length. */
export const MAX_LENGTH = 4096;

/** The greatest TOKEN_EXPIRY that the service accepts, in seconds. */
export const MAX_EXPIRY = 86_400;

const ROLE = new RegExp(ROLE_PATTERN);
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const VERSION_8_UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const NIL = '00000000-0000-0000-0000-000000000000';

/** The claims of every token. `external_id` is optional. */
const CLAIM_COUNT = 8;

/** The longest external id. Longer ones were never accepted. */
const MAX_EXTERNAL_ID = 255;

/** `ignoreBOM` keeps a byte order mark, which is no JSON. */
const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The `kid` of a compact JWS that has the form and header of our tokens. Checks no signature. Usual libraries ignore `typ` and `crit` and
 * accept several spellings of one token in base64url, so call this first.
 */
export function inspectToken(raw: string): { readonly kid: string } | { readonly fault: TokenFault } {
  const parts = raw.length <= MAX_LENGTH ? raw.split('.') : [];
  if (parts.length !== 3 || !parts.every(isCanonical)) return { fault: 'token_malformed' };
  const header = parseObject(parts[0]!);
  if (header === undefined || parseObject(parts[1]!) === undefined) return { fault: 'token_malformed' };
  const { alg, typ, kid } = header;
  const exact =
    Object.keys(header).length === 3 && alg === 'RS256' && typ === 'at+jwt' && typeof kid === 'string';
  return exact ? { kid: kid as string } : { fault: 'token_invalid' };
}

/** A token in parts, for a check of its signature. */
export interface TokenParts {
  /** What was signed. */
  readonly input: string;
  readonly payload: unknown;
  readonly signature: Uint8Array<ArrayBuffer>;
}

/** The parts of a token that {@link inspectToken} accepts. */
export function splitToken(raw: string): TokenParts {
  const end = raw.lastIndexOf('.');
  return {
    input: raw.slice(0, end),
    payload: parseObject(raw.slice(raw.indexOf('.') + 1, end)),
    signature: bytesOf(raw.slice(end + 1)),
  };
}

/**
 * Checks a payload whose signature is known to be ours. Undefined if Tandem does not mint such a payload. `longest`: the greatest
 * lifetime of a token, in seconds.
 */
export function readClaims(payload: unknown, kid: string, longest: number): VerifiedToken | undefined {
  if (typeof payload !== 'object' || payload === null) return undefined;
  const claims = payload as Partial<Record<keyof AccessClaims, unknown>>;
  const named = claims.external_id !== undefined;
  if (Object.keys(claims).length !== CLAIM_COUNT + Number(named)) return undefined;
  if (named && !isStoredExternalId(claims.external_id)) return undefined;
  if (typeof claims.iss !== 'string' || typeof claims.aud !== 'string') return undefined;
  if (!isId(claims.sub) || !isId(claims.sid) || !isId(claims.jti)) return undefined;
  if (!isRole(claims.role)) return undefined;
  if (!isTime(claims.iat) || !isTime(claims.exp) || claims.exp <= claims.iat) return undefined;
  if (claims.exp - claims.iat > longest) return undefined;
  const content = readJti(claims.jti);
  return content && { ...content, kid, claims: claims as AccessClaims };
}

export function isRole(value: unknown): value is string {
  return typeof value === 'string' && ROLE.test(value);
}

/** Whether the value can be a stored external id. Earlier releases accepted more characters, and such ids stay as they are. */
export function isStoredExternalId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_EXTERNAL_ID;
}

/** Whether the value is an id as Tandem writes it: a UUID in lower case that is not nil. */
export function isId(value: unknown): value is string {
  return typeof value === 'string' && UUID.test(value) && value !== NIL;
}

/** Whether the value is a time in whole seconds since the epoch. */
export function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/**
 * A version 8 UUID (RFC 9562, section 5.8): 32 bits of generation, 58 random bits, 32 bits of epoch. Practically unique within a token
 * family. Security does not depend on it being hard to guess.
 */
export function makeJti({ generation, epoch }: JtiContent): string {
  // Take the random bits from a random UUID, which has the same variant. Node makes many of them from one call for random bytes.
  const random = crypto.randomUUID();
  return `${hex(generation)}${random.slice(8, 14)}8${random.slice(15, 28)}${hex(epoch)}`;
}

/** Parses a `jti`; undefined for text that {@link makeJti} does not write. */
export function readJti(jti: string): JtiContent | undefined {
  if (!VERSION_8_UUID.test(jti)) return undefined;
  return { generation: parseInt(jti.slice(0, 8), 16), epoch: parseInt(jti.slice(28), 16) };
}

/** Eight hexadecimal digits. */
function hex(value: number): string {
  if (value < 0 || value > 0xffff_ffff) throw new RangeError(`${value} does not fit into a jti`);
  return value.toString(16).padStart(8, '0');
}

function parseObject(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(UTF_8.decode(bytesOf(part)));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** RFC 6750, section 2.1. The scheme is case-insensitive (RFC 9110, section 11.1). */
const SCHEME = /^bearer(?: +|$)/i;

/** The token in an `Authorization` header. Undefined for another scheme, empty if no token follows `Bearer`. */
export function bearerIn(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const scheme = SCHEME.exec(header)?.[0];
  if (scheme === undefined) return undefined;
  const token = header.slice(scheme.length);
  return token.includes(' ') ? '' : token;
}
