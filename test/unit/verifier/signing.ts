import { generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { PublicKeys } from '../../../packages/verifier/src/keys/jwk-set.js';
import { importJwkSet } from '../../../packages/verifier/src/keys/jwk-set.js';
import { makeJti } from '@tandem-auth/verifier/token';

export const ISSUER = 'https://auth.tandem.test';
export const AUDIENCE = 'api';

export const USER = '6f1c1c9e-52ad-4b9f-8a3c-0d6a0a6d5a01';
export const FAMILY = '6f1c1c9e-52ad-4b9f-8a3c-0d6a0a6d5a02';

/** A signing key as the service has it. */
export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  /** As the service publishes it. */
  readonly jwk: Record<string, unknown>;
}

export function aKey(kid: string): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { kid, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' } };
}

export const publicKeys = (...keys: readonly SigningKey[]): Promise<PublicKeys> =>
  importJwkSet({ keys: keys.map(({ jwk }) => jwk) });

/** Claims that the service mints now. */
export function claimsNow(more: object = {}) {
  const iat = Math.floor(Date.now() / 1000);
  return {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: USER,
    role: 'user',
    sid: FAMILY,
    jti: makeJti({ generation: 1, epoch: 2 }),
    iat,
    exp: iat + 900,
    ...more,
  };
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

export function signed(
  { kid, privateKey }: SigningKey,
  claims: object = claimsNow(),
  header: object = {},
): string {
  const input = `${encode({ alg: 'RS256', typ: 'at+jwt', kid, ...header })}.${encode(claims)}`;
  return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
}

/** A JSON answer of the service. */
export const json = (body: unknown, init: ResponseInit = {}) =>
  new Response(JSON.stringify(body), { headers: { 'content-type': 'application/json' }, ...init });
