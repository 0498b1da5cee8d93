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
 * Lets a feature add row MACs to its own table, in the transaction that opens the key ring. `upgradesToMacs` is true at the first start
 * after an upgrade from a release without row MACs. Only then is a row without a MAC genuine.
 */
export type OpenHook = (sql: Sql, upgradesToMacs: boolean) => Promise<void>;

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
        `JWT_SECRET is longer than ${MAX_SECRET_BYTES} bytes, and OpenSSL could not decrypt the keys with it`,
      );
    }
    const { keys, refused } = await this.store.load();
    // Outside the lock, because generating a key may take seconds.
    const initialKeys = keys.length + refused.length === 0 ? await this.makeInitialKeys() : [];
    await this.store.withLock(async (sql, storedFingerprint) => {
      const changed = storedFingerprint !== null && !sameSecret(storedFingerprint, fingerprint(jwtSecret));
      const stored = await this.store.load(sql, changed ? this.previousSecret(storedFingerprint) : jwtSecret);
      const upgradesToMacs = stored.keys.some(({ predatesMacs }) => predatesMacs);
      if (storedFingerprint === null || changed) await this.store.setFingerprint(sql, fingerprint(jwtSecret));
      if (stored.keys.length + stored.refused.length === 0) await this.insertInitialKeys(sql, initialKeys);
      else requireSigner(stored, changed ? 'JWT_SECRET_PREVIOUS' : 'JWT_SECRET');
      await this.upgrade(sql, stored, changed);
      for (const hook of this.hooks) await hook(sql, upgradesToMacs);
    });
  }

  /** Inserts the keys, oldest first. They start to sign one second apart, the last one now: it is current, and the others are previous. */
  private async insertInitialKeys(
    sql: Sql,
    initialKeys: readonly { readonly key: StoredKey; readonly cause: string }[],
  ): Promise<void> {
    for (const [index, { key, cause }] of initialKeys.entries()) {
      await this.store.add(sql, key, index + 1 - initialKeys.length, cause, NO_ORIGIN);
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
  private async makeInitialKeys(): Promise<{ readonly key: StoredKey; readonly cause: string }[]> {
    const { jwtSecret, jwtSecretPrevious, keysDir, rsaModulusBits } = this.config;
    const found = (await new KeyFiles(keysDir).read()).map(({ name, pem }) => {
      const opened = decryptKey(pem, jwtSecret) ?? decryptKey(pem, jwtSecretPrevious ?? jwtSecret);
      if (opened === undefined) {
        throw new KeyRingError(
          `KEYS_DIR: cannot use ${name}: it is not an RSA key of at least 2048 bits, or JWT_SECRET does not decrypt it: ` +
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
  private previousSecret(storedFingerprint: string): string {
    const { jwtSecretPrevious } = this.config;
    if (jwtSecretPrevious === undefined || !sameSecret(fingerprint(jwtSecretPrevious), storedFingerprint)) {
      throw new KeyRingError(
        'JWT_SECRET is not the one of this installation. Restore the previous secret. To change the secret, set JWT_SECRET to the ' +
          'new value and JWT_SECRET_PREVIOUS to the old value',
      );
    }
    return jwtSecretPrevious;
  }

  private async checkFiles(): Promise<void> {
    const exposed = (await new KeyFiles(this.config.keysDir).read()).filter((file) => file.exposed);
    if (exposed.length === 0) return;
    const names = exposed.map(({ name }) => name).join(', ');
    const exposure = `KEYS_DIR: every user may read ${names}: run chmod 600`;
    if (this.config.production) throw new KeyRingError(exposure);
    this.logger.warn(exposure);
  }
}

/**
 * Throws {@link KeyRingError} if this node cannot decrypt the key that signs now or next, or if no row of the ring is trusted: the ring is
 * damaged or belongs to another installation. Passes if every key was distrusted.
 */
function requireSigner({ keys, refused, now, longestExpiry }: KeyRows, secret: string): void {
  const { current, next } = ringAt(keys, now, longestExpiry);
  const signer = current ?? next[0];
  if (signer?.privateKey !== undefined) return;
  const kid = signer?.kid ?? refused[0]?.kid;
  if (kid !== undefined) throw new KeyRingError(`${secret} does not decrypt the key ${kid} in the database`);
}
