import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  privateEncrypt,
  publicDecrypt,
} from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CLAIMS, verifierOf } from './verify-token.js';

interface Vector {
  readonly id: string;
  readonly group: string;
  readonly comment: string;
  readonly jwk?: JsonWebKey & { kid?: string };
  readonly jws: unknown;
  readonly valid: boolean;
}

const read = <T>(name: string) =>
  JSON.parse(readFileSync(new URL(`../../vectors/wycheproof/${name}`, import.meta.url), 'utf8')) as T;
const vectors = read<Vector[]>('jws.json');
const RAW = constants.RSA_NO_PADDING;

/** Every name that a vector gives its key leads to that key, as if it were in the ring. */
function ringOf({ jwk }: Vector): Record<string, KeyObject> {
  try {
    const key = createPublicKey({ key: jwk!, format: 'jwk' });
    return { [jwk?.kid ?? 'none']: key, ours: key };
  } catch {
    return {};
  }
}

const accepts = async (vector: Vector, token: string) =>
  !('refused' in (await verifierOf(ringOf(vector))(token)));

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const INPUT = `${encode({ alg: 'RS256', typ: 'at+jwt', kid: 'ours' })}.${encode(CLAIMS)}`;
const sha256 = (text: string) => createHash('sha256').update(text).digest();

/** Undefined where the number is larger than the modulus. */
function withKey(operation: () => Buffer): Buffer | undefined {
  try {
    return operation();
  } catch {
    return undefined;
  }
}

/** The vector's padding over a token of ours: its block with the digest of our signing input in it, signed again. */
function transplanted(vector: Vector, privateKey: KeyObject): string | undefined {
  const [header, payload, signature] = String(vector.jws).split('.');
  const bytes = Buffer.from(signature ?? '', 'base64url');
  if (bytes.length !== 256) return undefined;
  const block = withKey(() => publicDecrypt({ key: privateKey, padding: RAW }, bytes));
  if (block === undefined) return undefined;
  const at = block.indexOf(sha256(`${header}.${payload}`));
  if (at < 0) return undefined;
  sha256(INPUT).copy(block, at);
  const signed = privateEncrypt({ key: privateKey, padding: RAW }, block);
  return `${INPUT}.${signed.toString('base64url')}`;
}

describe("Wycheproof's JSON Web Signature vectors", () => {
  it('are all refused, because this service signed none of them', async () => {
    expect(vectors).toHaveLength(401);
    for (const vector of vectors) {
      const token = typeof vector.jws === 'string' ? vector.jws : JSON.stringify(vector.jws);
      expect(await accepts(vector, token), vector.id).toBe(false);
    }
  });

  it('do not pass the signature check when their padding replaces the one of a valid token', async () => {
    const jwks = read<(JsonWebKey & { n: string })[]>('rs256-test-private-jwks.json');
    const keys = new Map(jwks.map((jwk) => [jwk.n, createPrivateKey({ key: jwk, format: 'jwk' })]));
    const outcomes = { accepted: 0, refused: 0 };
    for (const vector of vectors.filter(({ jwk }) => jwk?.kty === 'RSA' && keys.has(String(jwk['n'])))) {
      const token = transplanted(vector, keys.get(String(vector.jwk!['n']))!);
      if (token === undefined) continue;
      const accepted = await accepts(vector, token);
      const intact = vector.valid || /^rejects?(?:Modified|WrongUse|WrongKeyOps)/.test(vector.comment);
      if (!intact) expect(accepted, `${vector.id} ${vector.comment}`).toBe(false);
      outcomes[accepted ? 'accepted' : 'refused'] += 1;
    }
    // The sound padding passes, so what was refused was refused for its padding.
    expect(outcomes.accepted).toBeGreaterThanOrEqual(1);
    expect(outcomes.refused).toBeGreaterThan(100);
  });
});
