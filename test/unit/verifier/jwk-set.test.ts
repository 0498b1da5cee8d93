import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { MAX_KEYS, importJwkSet } from '../../../packages/verifier/src/keys/jwk-set.js';
import { aKey } from './signing.js';

const key = aKey('k1');
const { jwk } = key;
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
const kidsOf = async (keys: unknown[]) => [...(await importJwkSet({ keys })).keys()];

describe('a JWK Set', () => {
  it('gives the RSA keys for RS256 as keys that can only verify', async () => {
    const keys = await importJwkSet({ keys: [jwk] });
    expect([...keys.keys()]).toEqual(['k1']);
    expect(keys.get('k1')).toMatchObject({ type: 'public', extractable: false, usages: ['verify'] });
  });

  it.each<[string, object]>([
    ['an EC key', { ...ec, kid: 'ec', alg: 'ES256', use: 'sig' }],
    ['an EC key that claims to be for RS256', { ...ec, kid: 'ec', alg: 'RS256', use: 'sig' }],
    ['a key for another algorithm', { ...jwk, kid: 'k2', alg: 'RS512' }],
    ['a key without an algorithm', { ...jwk, kid: 'k2', alg: undefined }],
    ['a key for encryption', { ...jwk, kid: 'k2', use: 'enc' }],
    ['a key without a use', { ...jwk, kid: 'k2', use: undefined }],
    ['a key without a kid', { ...jwk, kid: undefined }],
    ['a key with an endless kid', { ...jwk, kid: 'k'.repeat(257) }],
    ['a key of 1024 bits', { ...small, kid: 'k2', alg: 'RS256', use: 'sig' }],
    ['a key with another exponent', { ...jwk, kid: 'k2', e: 'Aw' }],
    ['a modulus with padding', { ...jwk, kid: 'k2', n: `${String(jwk['n'])}=` }],
  ])('gives all keys but %s', async (_, other) => {
    expect(await kidsOf([other, jwk])).toEqual(['k1']);
    await expect(importJwkSet({ keys: [other] })).rejects.toThrow('no RSA key');
  });

  it.each(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'])(
    'is refused as a whole if a key has the private member %s',
    async (member) => {
      await expect(importJwkSet({ keys: [jwk, { ...jwk, kid: 'k2', [member]: 'AQAB' }] })).rejects.toThrow(
        'private key',
      );
    },
  );

  it('is refused if it has more keys than a service can have', async () => {
    const keys = (count: number) => Array.from({ length: count }, (_, i) => ({ ...jwk, kid: `k${i}` }));
    expect(await kidsOf(keys(MAX_KEYS))).toHaveLength(MAX_KEYS);
    for (const count of [MAX_KEYS + 1, 10_000]) {
      await expect(importJwkSet({ keys: keys(count) })).rejects.toThrow(`more than ${MAX_KEYS}`);
    }
  });

  it('is refused if two keys have the same kid', async () => {
    await expect(importJwkSet({ keys: [jwk, aKey('k1').jwk] })).rejects.toThrow('same kid');
  });

  it.each([[null], ['text'], [[]], [{}], [{ keys: {} }], [{ keys: [] }], [{ keys: [null, 1, 'x', []] }]])(
    'is refused if it is %j',
    async (document) => {
      await expect(importJwkSet(document)).rejects.toThrow('JWK Set');
    },
  );
});
