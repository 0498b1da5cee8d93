import { Inject, Injectable, Logger } from '@nestjs/common';
import { NO_ORIGIN } from '../audit/audit-context.js';
import { sameSecret } from '../common/constant-time.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import type { Sql } from '../database/database.js';
import { KeyFiles } from './key-files.js';
import { decryptKey, encryptKey, fingerprint, generateKey } from './key-material.js';
import type { StoredKey } from './key-material.js';
import { KeyRingError } from './key-ring.errors.js';
import { SigningKeyStore } from './signing-key.store.js';

/** OpenSSL opens nothing with a longer passphrase, although it encrypts with one; in bytes. */
const MAX_SECRET = 1024;

/** Makes sure at start that there is a ring and that this node can open it. Refuses to start rather than replace a key. */
@Injectable()
export class KeyOpener {
  private readonly logger = new Logger(KeyOpener.name);

  constructor(
    private readonly store: SigningKeyStore,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Throws {@link KeyRingError}; then nothing has changed. */
  async open(): Promise<void> {
    await this.checkFiles();
    const { jwtSecret } = this.config;
    if (Buffer.byteLength(jwtSecret) > MAX_SECRET) {
      throw new KeyRingError(
        `JWT_SECRET is longer than ${MAX_SECRET} bytes: no key could be opened with it again`,
      );
    }
    const { keys } = await this.store.load();
    // Making a key takes seconds at worst: not while other nodes wait for the lock.
    const first = keys.length === 0 ? await this.firstKeys() : [];
    await this.store.alone(async (sql, known) => {
      if (known === null) await this.store.setFingerprint(sql, fingerprint(jwtSecret));
      else if (!sameSecret(known, fingerprint(jwtSecret))) await this.takeOver(sql, known);
      const { keys: present } = await this.store.load(sql);
      for (const { kid, privatePem } of present) {
        const opened = decryptKey(privatePem, jwtSecret);
        if (opened === undefined || encryptKey(opened, jwtSecret).kid !== kid) {
          throw new KeyRingError(`JWT_SECRET does not open the key ${kid} of the database`);
        }
      }
      if (present.length > 0) return;
      for (const [index, { key, cause }] of first.entries()) {
        await this.store.add(sql, key, index + 1 - first.length, cause, NO_ORIGIN);
      }
    });
  }

  /** The keys found in the folder, the oldest first, or else a new one. */
  private async firstKeys(): Promise<{ readonly key: StoredKey; readonly cause: string }[]> {
    const { jwtSecret, jwtSecretPrevious, keysDir, rsaModulusBits } = this.config;
    const files = await new KeyFiles(keysDir).read();
    if (files.length === 0) return [{ key: await generateKey(rsaModulusBits, jwtSecret), cause: 'created' }];
    return files.map(({ name, pem }) => {
      const opened = decryptKey(pem, jwtSecret) ?? decryptKey(pem, jwtSecretPrevious ?? jwtSecret);
      if (opened === undefined) {
        throw new KeyRingError(
          `KEYS_DIR holds ${name}, which is no RSA key of 2048 bits or more that JWT_SECRET opens: ` +
            'set the JWT_SECRET that it was made with, or take the file away',
        );
      }
      return { key: encryptKey(opened, jwtSecret), cause: 'imported' };
    });
  }

  /** JWT_SECRET is another one than the ring was encrypted with: that must be the previous one. */
  private async takeOver(sql: Sql, known: string): Promise<void> {
    const { jwtSecret, jwtSecretPrevious } = this.config;
    if (jwtSecretPrevious === undefined || !sameSecret(fingerprint(jwtSecretPrevious), known)) {
      throw new KeyRingError(
        'JWT_SECRET is not the one that this installation was set up with: set that one, or to change it, the new one as ' +
          'JWT_SECRET and the old one as JWT_SECRET_PREVIOUS',
      );
    }
    for (const { kid, privatePem } of (await this.store.load(sql)).keys) {
      const opened = decryptKey(privatePem, jwtSecretPrevious);
      if (opened === undefined) throw new KeyRingError(`JWT_SECRET_PREVIOUS does not open the key ${kid}`);
      await this.store.reEncrypt(sql, encryptKey(opened, jwtSecret));
    }
    await this.store.setFingerprint(sql, fingerprint(jwtSecret));
  }

  private async checkFiles(): Promise<void> {
    const exposed = (await new KeyFiles(this.config.keysDir).read()).filter((file) => file.exposed);
    if (exposed.length === 0) return;
    const names = exposed.map(({ name }) => name).join(', ');
    if (this.config.production) throw new KeyRingError(`KEYS_DIR: everybody may read ${names}: chmod 600`);
    this.logger.warn(`KEYS_DIR: everybody may read ${names}: chmod 600`);
  }
}
