import { createHash, createPrivateKey, createPublicKey, generateKeyPair } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { deriveBytes } from '../../common/crypto/derived-key.js';

const generate = promisify(generateKeyPair);

/**
 * Keys are encrypted with AES-192. Releases before row MACs used AES-256, so the cipher shows which rows predate the MACs. Nobody can
 * change the cipher without JWT_SECRET. Both kinds of release decrypt both ciphers.
 */
const CIPHER = 'aes-192-cbc';

/** The object identifier of {@link CIPHER} in DER. */
const CIPHER_OID = Buffer.from('608648016503040116', 'hex');

/** A key as it is stored: the public half, and the encrypted private key. */
export interface StoredKey {
  readonly kid: string;
  readonly publicJwk: JsonWebKey;
  readonly privatePem: string;
}

/** The thumbprint of a public key (RFC 7638): SHA-256 over the required members in lexicographic order. */
export function thumbprint({ e, kty, n }: JsonWebKey): string {
  return createHash('sha256').update(JSON.stringify({ e, kty, n })).digest('base64url');
}

/** Encrypts the key as PKCS#8. The secret is the passphrase. */
export function encryptKey(key: KeyObject, secret: string): StoredKey {
  const publicJwk = publicJwkOf(key);
  const pem = key.export({ type: 'pkcs8', format: 'pem', cipher: CIPHER, passphrase: secret });
  return { kid: thumbprint(publicJwk), publicJwk, privatePem: pem.toString() };
}

/** The public half of a private RSA key. */
export function publicJwkOf(key: KeyObject): {
  readonly kty: string;
  readonly n: string;
  readonly e: string;
} {
  const { kty, n, e } = createPublicKey(key).export({ format: 'jwk' });
  return { kty: kty!, n: n!, e: e! };
}

/** Whether the key was encrypted before row MACs existed. Meaningful only if the secret decrypts it. */
export function predatesMacs(pem: string): boolean {
  const der = Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
  return !der.includes(CIPHER_OID);
}

/** Decrypts a private key. Undefined if the secret does not decrypt it, or if it is not an RSA key of at least 2048 bits. */
export function decryptKey(pem: string, secret: string): KeyObject | undefined {
  try {
    const key = createPrivateKey({ key: pem, passphrase: secret });
    if (key.asymmetricKeyType !== 'rsa') return undefined;
    return key.asymmetricKeyDetails!.modulusLength! >= 2048 ? key : undefined;
  } catch {
    return undefined;
  }
}

/** Generates an RSA key off the event loop, which may take seconds, and encrypts it with the secret. */
export async function generateKey(modulusLength: number, secret: string): Promise<StoredKey> {
  const { privateKey } = await generate('rsa', { modulusLength });
  return encryptKey(privateKey, secret);
}

/** A one-way fingerprint of the secret, to compare secrets without storing them. */
export function fingerprint(secret: string): string {
  return deriveBytes(secret, 'tandem key ring fingerprint', 16).toString('hex');
}
