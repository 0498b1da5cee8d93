import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { deriveKey } from '../../../common/crypto/derived-key.js';
import type { Config } from '../../../config/config.js';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Encrypts what a product uses as a credential before it is stored: nobody who reads the database can sign in with it. AES-256-GCM under a
 * key that is derived from JWT_SECRET. What is sealed for one session cannot be opened for another.
 */
export class SessionSeal {
  private readonly keys: readonly Buffer[];

  constructor({ jwtSecret, jwtSecretPrevious }: Pick<Config, 'jwtSecret' | 'jwtSecretPrevious'>) {
    const secrets = jwtSecretPrevious === undefined ? [jwtSecret] : [jwtSecret, jwtSecretPrevious];
    this.keys = secrets.map((secret) => deriveKey(secret, 'tandem session callback').key);
  }

  seal(sid: string, value: object): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.keys[0]!, nonce, { authTagLength: TAG_BYTES }).setAAD(
      Buffer.from(sid),
    );
    return Buffer.concat([nonce, cipher.update(JSON.stringify(value)), cipher.final(), cipher.getAuthTag()]);
  }

  /** Opens a sealed value; undefined if no secret of this node sealed it for this session. */
  open(sid: string, sealed: Buffer): unknown {
    for (const key of this.keys) {
      try {
        const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES), {
          authTagLength: TAG_BYTES,
        }).setAAD(Buffer.from(sid));
        decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
        const text = Buffer.concat([
          decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)),
          decipher.final(),
        ]);
        return JSON.parse(text.toString('utf8'));
      } catch {
        // Sealed under another secret, or by somebody else.
      }
    }
    return undefined;
  }
}
