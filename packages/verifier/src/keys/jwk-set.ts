import { isCanonical } from '../base64url.js';

/** A key of Web Crypto. Its name is not global in the types of Node.js. */
export type PublicKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

/** The public keys of a JWK Set, by `kid`. */
export type PublicKeys = ReadonlyMap<string, PublicKey>;

/** Tandem publishes three keys at most: the next, the current and the previous one. */
export const MAX_KEYS = 32;

const MAX_KID_LENGTH = 256;

/** The members of private and symmetric keys (RFC 7518, section 6). */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'] as const;

/** Characters of a modulus of 2048 and of 8192 bits in base64url. */
const MODULUS = { min: 342, max: 1366 } as const;

/** 65537, the only exponent that Tandem uses. */
const EXPONENT = 'AQAB';

const ALGORITHM = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const;

interface RsaKey {
  readonly kid: string;
  readonly n: string;
}

/**
 * Imports the keys of a JWK Set (RFC 7517) that can verify access tokens. Ignores keys of other types, algorithms and uses. Throws if the
 * set has a private key (everybody could sign), too many keys, one `kid` twice, or no key that can be used.
 */
export async function importJwkSet(document: unknown): Promise<PublicKeys> {
  const { keys } = Object(document) as { keys?: unknown };
  if (!Array.isArray(keys)) throw new Error('the JWK Set has no list of keys');
  if (keys.length > MAX_KEYS) throw new Error(`the JWK Set has more than ${MAX_KEYS} keys`);
  const usable = keys.flatMap((jwk: unknown) => rsaKeyOf(Object(jwk) as Record<string, unknown>) ?? []);
  if (usable.length === 0) throw new Error('the JWK Set has no RSA key for RS256');
  const imported = await Promise.all(usable.map(importKey));
  const byKid = new Map(imported);
  if (byKid.size !== usable.length) throw new Error('two keys of the JWK Set have the same kid');
  return byKid;
}

/** Returns the key; undefined if Tandem does not sign access tokens with such a key. */
function rsaKeyOf(jwk: Record<string, unknown>): RsaKey | undefined {
  if (PRIVATE_MEMBERS.some((member) => Object.hasOwn(jwk, member)))
    throw new Error('the JWK Set contains a private key');
  const { kty, alg, use, kid, n, e } = jwk;
  if (kty !== 'RSA' || alg !== 'RS256' || use !== 'sig' || e !== EXPONENT) return undefined;
  if (typeof kid !== 'string' || kid === '' || kid.length > MAX_KID_LENGTH) return undefined;
  if (typeof n !== 'string' || !isCanonical(n)) return undefined;
  return n.length >= MODULUS.min && n.length <= MODULUS.max ? { kid, n } : undefined;
}

async function importKey({ kid, n }: RsaKey): Promise<readonly [string, PublicKey]> {
  const jwk = { kty: 'RSA', n, e: EXPONENT, alg: 'RS256', use: 'sig' };
  return [kid, await crypto.subtle.importKey('jwk', jwk, ALGORITHM, false, ['verify'])];
}
