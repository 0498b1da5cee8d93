import { Inject, Injectable, Logger } from '@nestjs/common';
import { NO_ORIGIN } from '../../audit/audit-context.js';
import { sameSecret } from '../../common/crypto/constant-time.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import type { Sql } from '../../database/database.js';
import { KeyFiles } from './key-files.js';
import { decryptKey, encryptKey, fingerprint, generateKey } from './key-material.js';
import type { StoredKey } from './key-material.js';
import { KeyRingError, ringAt } from './key-ring.js';
import { SigningKeyStore } from './signing-key.store.js';
import type { KeyRows } from './signing-key.store.js';

/** OpenSSL encrypts with a longer passphrase, but cannot decrypt with one. */
const MAX_SECRET_BYTES = 1024;

/**
 * Adds the MACs that the rows of another table lack, in the transaction that opens the ring. `firstStart`: rows without a MAC come from a
 * release before row MACs. At any other start, somebody else wrote them.
 */
export type OpenHook = (sql: Sql, firstStart: boolean) => Promise<void>;

/**
 * Makes sure at startup that there is a key ring and that this node can decrypt it. Otherwise the node refuses to start. It never replaces
 * a key.
 */
@Injectable()
export class KeyOpenerService {
  private readonly logger = new Logger(KeyOpenerService.name);
  private readonly hooks: OpenHook[] = [];

  constructor(
    private readonly store: SigningKeyStore,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Registers a hook of a feature whose rows have MACs. Call it before the start. */
  onOpen(hook: OpenHook): void {
    this.hooks.push(hook);
  }

  /** Opens the ring, and creates or imports the first keys if it is empty. Throws {@link KeyRingError}; then nothing has changed. */
  async open(): Promise<void> {
    await this.checkFiles();
    const { jwtSecret } = this.config;
    if (Buffer.byteLength(jwtSecret) > MAX_SECRET_BYTES) {
      throw new KeyRingError(
        `JWT_SECRET is longer than ${MAX_SECRET_BYTES} bytes: no key could be decrypted with it again`,
      );
    }
    const { keys, refused } = await this.store.load();
    // Outside the lock, because generating a key may take seconds.
    const first = keys.length + refused.length === 0 ? await this.firstKeys() : [];
    await this.store.withLock(async (sql, known) => {
      const changed = known !== null && !sameSecret(known, fingerprint(jwtSecret));
      const before = await this.store.load(sql, changed ? this.previousSecret(known) : jwtSecret);
      const firstStart = before.keys.some(({ predatesMacs }) => predatesMacs);
      if (known === null || changed) await this.store.setFingerprint(sql, fingerprint(jwtSecret));
      if (before.keys.length + before.refused.length === 0) await this.addFirst(sql, first);
      else requireSigner(before, changed ? 'JWT_SECRET_PREVIOUS' : 'JWT_SECRET');
      await this.upgrade(sql, before, changed);
      for (const hook of this.hooks) await hook(sql, firstStart);
    });
  }

  private async addFirst(
    sql: Sql,
    first: readonly { readonly key: StoredKey; readonly cause: string }[],
  ): Promise<void> {
    for (const [index, { key, cause }] of first.entries()) {
      await this.store.add(sql, key, index + 1 - first.length, cause, NO_ORIGIN);
    }
  }

  /** Re-encrypts keys if necessary, and adds the MACs that trusted rows lack. Rows with an alarm stay as they are. */
  private async upgrade(sql: Sql, { keys }: KeyRows, changed: boolean): Promise<void> {
    for (const { kid, privateKey, predatesMacs, needsMacs } of keys) {
      if (privateKey === undefined) continue;
      if (changed || predatesMacs)
        await this.store.reEncrypt(sql, encryptKey(privateKey, this.config.jwtSecret));
      if (needsMacs) await this.store.updateMacs(sql, kid);
    }
  }

  /** The keys in KEYS_DIR, oldest first, or else a new one. A key that was ever distrusted is not imported. */
  private async firstKeys(): Promise<{ readonly key: StoredKey; readonly cause: string }[]> {
    const { jwtSecret, jwtSecretPrevious, keysDir, rsaModulusBits } = this.config;
    const found = (await new KeyFiles(keysDir).read()).map(({ name, pem }) => {
      const opened = decryptKey(pem, jwtSecret) ?? decryptKey(pem, jwtSecretPrevious ?? jwtSecret);
      if (opened === undefined) {
        throw new KeyRingError(
          `KEYS_DIR holds ${name}, which is not an RSA key of at least 2048 bits that JWT_SECRET decrypts: ` +
            'set the JWT_SECRET that encrypted it, or remove the file',
        );
      }
      return { key: encryptKey(opened, jwtSecret), cause: 'imported' };
    });
    const distrusted = await this.store.everDistrusted(found.map(({ key }) => key.kid));
    const trusted = found.filter(({ key }) => !distrusted.has(key.kid));
    if (trusted.length > 0) return trusted;
    return [{ key: await generateKey(rsaModulusBits, jwtSecret), cause: 'created' }];
  }

  /** The secret that the ring is encrypted with, if it is not JWT_SECRET: it must be JWT_SECRET_PREVIOUS. */
  private previousSecret(known: string): string {
    const { jwtSecretPrevious } = this.config;
    if (jwtSecretPrevious === undefined || !sameSecret(fingerprint(jwtSecretPrevious), known)) {
      throw new KeyRingError(
        'JWT_SECRET is not the one that this installation was set up with. Set that one. To change it, set the new one as ' +
          'JWT_SECRET and the old one as JWT_SECRET_PREVIOUS',
      );
    }
    return jwtSecretPrevious;
  }

  private async checkFiles(): Promise<void> {
    const exposed = (await new KeyFiles(this.config.keysDir).read()).filter((file) => file.exposed);
    if (exposed.length === 0) return;
    const names = exposed.map(({ name }) => name).join(', ');
    if (this.config.production) throw new KeyRingError(`KEYS_DIR: every user may read ${names}: chmod 600`);
    this.logger.warn(`KEYS_DIR: every user may read ${names}: chmod 600`);
  }
}

/** A ring that has rows, but no key that this node can sign with, is damaged or belongs to another installation. */
function requireSigner({ keys, refused, now, longestExpiry }: KeyRows, secret: string): void {
  const { current, next } = ringAt(keys, now, longestExpiry);
  const signer = current ?? next[0];
  if (signer?.privateKey !== undefined) return;
  const kid = signer?.kid ?? refused[0]?.kid;
  if (kid !== undefined) throw new KeyRingError(`${secret} does not decrypt the key ${kid} in the database`);
}
