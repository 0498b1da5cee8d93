import { createHash, createPrivateKey, createPublicKey, generateKeyPair, hkdfSync } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

const generate = promisify(generateKeyPair);

/** A key as it is kept: what anybody may see, and the private part encrypted. */
export interface StoredKey {
  readonly kid: string;
  readonly publicJwk: JsonWebKey;
  readonly privatePem: string;
}

/** RFC 7638: SHA-256 over the required members in lexicographic order. */
export function thumbprint({ e, kty, n }: JsonWebKey): string {
  return createHash('sha256').update(JSON.stringify({ e, kty, n })).digest('base64url');
}

/** PKCS#8, encrypted with the secret as its passphrase. */
export function encryptKey(key: KeyObject, secret: string): StoredKey {
  const { kty, n, e } = createPublicKey(key).export({ format: 'jwk' });
  const publicJwk = { kty: kty!, n: n!, e: e! };
  const pem = key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: secret });
  return { kid: thumbprint(publicJwk), publicJwk, privatePem: pem.toString() };
}

/** Undefined if the secret does not open it, or it is no RSA key of 2048 bits or more. */
export function decryptKey(pem: string, secret: string): KeyObject | undefined {
  try {
    const key = createPrivateKey({ key: pem, passphrase: secret });
    if (key.asymmetricKeyType !== 'rsa') return undefined;
    return key.asymmetricKeyDetails!.modulusLength! >= 2048 ? key : undefined;
  } catch {
    return undefined;
  }
}

export async function generateKey(modulusLength: number, secret: string): Promise<StoredKey> {
  const { privateKey } = await generate('rsa', { modulusLength });
  return encryptKey(privateKey, secret);
}

/** Tells two secrets apart and says nothing of either. */
export function fingerprint(secret: string): string {
  return Buffer.from(hkdfSync('sha256', secret, '', 'tandem key ring fingerprint', 16)).toString('hex');
}
