import type { Role } from '../../users/user.entity.js';
import { randomUUID } from 'node:crypto';

/** The payload of an access token, exactly (after RFC 9068). Times in seconds since the epoch. */
export interface AccessClaims {
  readonly iss: string;
  readonly aud: string;
  readonly sub: string;
  readonly role: Role;
  readonly sid: string;
  readonly jti: string;
  readonly iat: number;
  readonly exp: number;
}

/** An access token that was proved to be ours, with what its `jti` says. Whether it still counts is asked per request. */
export interface VerifiedToken extends JtiContent {
  readonly claims: AccessClaims;
  readonly kid: string;
}

export type TokenFault = 'token_malformed' | 'token_invalid';

const BASE64URL = /^[A-Za-z0-9_-]+$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const NIL = '00000000-0000-0000-0000-000000000000';
const CLAIM_COUNT = 8;

/** Longer ones cannot be ours: the longest that Tandem mints, with 4096-bit keys, are well below. */
export const MAX_LENGTH = 4096;

/**
 * The `kid` of a compact JWS whose form and header could be one of ours, before any signature is checked. Needed before
 * jsonwebtoken, which ignores `typ` and `crit` and takes other spellings of base64url for the same token.
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
 * Checks what a payload must be beyond its signature; undefined if it is not what Tandem mints. `longest`: the greatest TOKEN_EXPIRY
 * that this installation ever had, in seconds.
 */
export function readClaims(payload: unknown, kid: string, longest: number): VerifiedToken | undefined {
  if (typeof payload !== 'object' || payload === null) return undefined;
  const claims = payload as Partial<Record<keyof AccessClaims, unknown>>;
  if (Object.keys(claims).length !== CLAIM_COUNT) return undefined;
  if (typeof claims.iss !== 'string' || typeof claims.aud !== 'string') return undefined;
  if (!isId(claims.sub) || !isId(claims.sid) || !isId(claims.jti)) return undefined;
  if (claims.role !== 'user' && claims.role !== 'admin') return undefined;
  if (!isTime(claims.iat) || !isTime(claims.exp) || claims.exp <= claims.iat) return undefined;
  if (claims.exp - claims.iat > longest) return undefined;
  const content = readJti(claims.jti);
  return content && { ...content, kid, claims: claims as AccessClaims };
}

/** Other spellings of the same bytes (padding, stray bits) would be other tokens to a cache and the same to a verifier. */
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

/** What Tandem puts into the `jti` of an access token. */
export interface JtiContent {
  /** Of the refresh token that it was minted with. */
  readonly generation: number;
  /** The user's epoch at that time: a revocation of the user names the first epoch that still counts. */
  readonly epoch: number;
}

const VERSION_8_UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/**
 * A version 8 UUID (RFC 9562, section 5.8): 32 bits of generation, 58 random bits, 32 bits of epoch. Unique among the
 * tokens of a login for all that matters; nothing rests on its being unguessable.
 */
export function makeJti({ generation, epoch }: JtiContent): string {
  // Of a random UUID, whose variant is the same: Node makes many from one call for random bytes.
  const random = randomUUID();
  return `${hex(generation)}${random.slice(8, 14)}8${random.slice(15, 28)}${hex(epoch)}`;
}

/** Eight digits. */
function hex(value: number): string {
  if (value < 0 || value > 0xffff_ffff) throw new RangeError(`${value} has no place in a jti`);
  return value.toString(16).padStart(8, '0');
}

/** Undefined for anything that {@link makeJti} does not write. */
export function readJti(jti: string): JtiContent | undefined {
  if (!VERSION_8_UUID.test(jti)) return undefined;
  return { generation: parseInt(jti.slice(0, 8), 16), epoch: parseInt(jti.slice(28), 16) };
}
