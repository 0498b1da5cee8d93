import { randomUUID } from 'node:crypto';
import { isRole } from '../../common/role.js';
import type { Role } from '../../common/role.js';
import { isStoredExternalId } from '../../users/external-id.js';

/** The exact payload of an access token (RFC 9068). Times in seconds since the epoch. */
export interface AccessClaims {
  readonly iss: string;
  readonly aud: string;
  readonly sub: string;
  readonly role: Role;
  readonly sid: string;
  readonly jti: string;
  readonly iat: number;
  readonly exp: number;
  /** The id by which the product knows the user; absent if the user has none. */
  readonly external_id?: string;
}

/** An access token that this service signed, with the content of its `jti`. It may have expired or be revoked. */
export interface VerifiedToken extends JtiContent {
  readonly claims: AccessClaims;
  readonly kid: string;
}

export type TokenFault = 'token_malformed' | 'token_invalid';

const BASE64URL = /^[A-Za-z0-9_-]+$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const NIL = '00000000-0000-0000-0000-000000000000';
/** The claims of every token. `external_id` is optional. */
const CLAIM_COUNT = 8;

/** The longest token that Tandem mints, with a 4096-bit key, is well below this length. */
export const MAX_LENGTH = 4096;

/**
 * The `kid` of a compact JWS that has the form and header of our tokens. Checks no signature. Needed before jsonwebtoken, which ignores
 * `typ` and `crit` and accepts several spellings of one token in base64url.
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

/**
 * Checks a payload whose signature is known to be ours. Undefined if Tandem does not mint such a payload. `longest`: the greatest
 * TOKEN_EXPIRY that this installation ever had, in seconds.
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

/** Refuses other spellings of the same bytes (padding, stray bits): a cache would see another token, a verifier the same one. */
function isCanonical(part: string): boolean {
  return BASE64URL.test(part) && Buffer.from(part, 'base64url').toString('base64url') === part;
}

function parseObject(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && UUID.test(value) && value !== NIL;
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** The content of the `jti` of an access token. */
export interface JtiContent {
  /** The generation of the refresh token that was issued with it. */
  readonly generation: number;
  /** The user's epoch at that time. A revocation of the user names the first epoch that is still valid. */
  readonly epoch: number;
}

const VERSION_8_UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/**
 * A version 8 UUID (RFC 9562, section 5.8): 32 bits of generation, 58 random bits, 32 bits of epoch. Practically unique within a token
 * family. Security does not depend on it being hard to guess.
 */
export function makeJti({ generation, epoch }: JtiContent): string {
  // Take the random bits from a random UUID, which has the same variant. Node makes many of them from one call for random bytes.
  const random = randomUUID();
  return `${hex(generation)}${random.slice(8, 14)}8${random.slice(15, 28)}${hex(epoch)}`;
}

/** Eight hexadecimal digits. */
function hex(value: number): string {
  if (value < 0 || value > 0xffff_ffff) throw new RangeError(`${value} does not fit into a jti`);
  return value.toString(16).padStart(8, '0');
}

/** Undefined for text that {@link makeJti} does not write. */
export function readJti(jti: string): JtiContent | undefined {
  if (!VERSION_8_UUID.test(jti)) return undefined;
  return { generation: parseInt(jti.slice(0, 8), 16), epoch: parseInt(jti.slice(28), 16) };
}
