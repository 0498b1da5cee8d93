import { hkdfSync } from 'node:crypto';

const KEY_BYTES = 32;
const NAME_BYTES = 6;

/** A key for one purpose, and its name: a fingerprint that reveals nothing of the key. */
export interface DerivedKey {
  readonly key: Buffer;
  readonly name: string;
}

/** Derives the key for a purpose from JWT_SECRET (HKDF, RFC 5869). What was made with a key is lost if its purpose is ever renamed. */
export function deriveKey(secret: string, purpose: string): DerivedKey {
  const name = deriveBytes(secret, `${purpose} name`, NAME_BYTES).toString('hex');
  return { key: deriveBytes(secret, purpose, KEY_BYTES), name };
}

/** Derives bytes for a purpose, as {@link deriveKey}. */
export function deriveBytes(secret: string, purpose: string, length: number): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', purpose, length));
}
