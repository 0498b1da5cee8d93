import { Inject, Injectable, Logger } from '@nestjs/common';
import { NO_ORIGIN } from '../../audit/audit-context.js';
import { sameSecret } from '../../common/constant-time.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import type { Sql } from '../../database/database.js';
import { KeyFiles } from './key-files.js';
import { decryptKey, encryptKey, fingerprint, generateKey } from './key-material.js';
import type { StoredKey } from './key-material.js';
import { KeyRingError } from './key-ring.errors.js';
import { ringAt } from './key-states.js';
import { SigningKeyStore } from './signing-key.store.js';
import type { KeyRows } from './signing-key.store.js';

/** OpenSSL opens nothing with a longer passphrase, although it encrypts with one; in bytes. */
const MAX_SECRET = 1024;

/**
 * Gives other rows the MACs that they lack, in the transaction in which the ring is opened. `firstStart`: rows without a MAC come from
 * a release before row MACs; at any other start they come from somebody else.
 */
export type Voucher = (sql: Sql, firstStart: boolean) => Promise<void>;

/** Makes sure at start that there is a ring and that this node can open it. Refuses to start rather than replace a key. */
@Injectable()
export class KeyOpenerService {
  private readonly logger = new Logger(KeyOpenerService.name);
  private readonly vouchers: Voucher[] = [];

  constructor(
    private readonly store: SigningKeyStore,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** For features with rows of their own. To be called before the start. */
  addVoucher(voucher: Voucher): void {
    this.vouchers.push(voucher);
  }

  /**
   * Throws {@link KeyRingError}; then nothing has changed. With `upgrade: false` the first start after the upgrade is left to a node:
   * a process without all features must not be it.
   */
  async open({ upgrade = true } = {}): Promise<void> {
    await this.checkFiles();
    const { jwtSecret } = this.config;
    if (Buffer.byteLength(jwtSecret) > MAX_SECRET) {
      throw new KeyRingError(
        `JWT_SECRET is longer than ${MAX_SECRET} bytes: no key could be opened with it again`,
      );
    }
    const { keys, refused } = await this.store.load();
    // Making a key takes seconds at worst: not while other nodes wait for the lock.
    const first = keys.length + refused.length === 0 ? await this.firstKeys() : [];
    await this.store.withLock(async (sql, known) => {
      const changed = known !== null && !sameSecret(known, fingerprint(jwtSecret));
      const before = await this.store.load(sql, changed ? this.previousSecret(known) : jwtSecret);
      const firstStart = before.keys.some(({ fromBeforeMacs }) => fromBeforeMacs);
      if (known === null || changed) await this.store.setFingerprint(sql, fingerprint(jwtSecret));
      if (before.keys.length + before.refused.length === 0) await this.addFirst(sql, first);
      else requireSigner(before, changed ? 'JWT_SECRET_PREVIOUS' : 'JWT_SECRET');
      if (firstStart && !upgrade) {
        if (changed) throw new KeyRingError('start a node of this release before JWT_SECRET is changed');
        return;
      }
      await this.complete(sql, before, changed);
      for (const vouch of this.vouchers) await vouch(sql, firstStart);
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

  /** Encrypts what has to be encrypted anew, and gives every row of ours a MAC by each secret. Rows with an alarm stay as they are. */
  private async complete(sql: Sql, { keys }: KeyRows, changed: boolean): Promise<void> {
    for (const { kid, privateKey, fromBeforeMacs, needsMacs } of keys) {
      if (privateKey === undefined) continue;
      if (changed || fromBeforeMacs)
        await this.store.reEncrypt(sql, encryptKey(privateKey, this.config.jwtSecret));
      if (needsMacs) await this.store.vouch(sql, kid);
    }
  }

  /** The keys found in the folder, the oldest first, or else a new one. A key that was distrusted never comes back. */
  private async firstKeys(): Promise<{ readonly key: StoredKey; readonly cause: string }[]> {
    const { jwtSecret, jwtSecretPrevious, keysDir, rsaModulusBits } = this.config;
    const found = (await new KeyFiles(keysDir).read()).map(({ name, pem }) => {
      const opened = decryptKey(pem, jwtSecret) ?? decryptKey(pem, jwtSecretPrevious ?? jwtSecret);
      if (opened === undefined) {
        throw new KeyRingError(
          `KEYS_DIR holds ${name}, which is no RSA key of 2048 bits or more that JWT_SECRET opens: ` +
            'set the JWT_SECRET that it was made with, or take the file away',
        );
      }
      return { key: encryptKey(opened, jwtSecret), cause: 'imported' };
    });
    const distrusted = await this.store.everDistrusted(found.map(({ key }) => key.kid));
    const trusted = found.filter(({ key }) => !distrusted.has(key.kid));
    if (trusted.length > 0) return trusted;
    return [{ key: await generateKey(rsaModulusBits, jwtSecret), cause: 'created' }];
  }

  /** JWT_SECRET is another one than the ring was encrypted with: that must be the previous one. */
  private previousSecret(known: string): string {
    const { jwtSecretPrevious } = this.config;
    if (jwtSecretPrevious === undefined || !sameSecret(fingerprint(jwtSecretPrevious), known)) {
      throw new KeyRingError(
        'JWT_SECRET is not the one that this installation was set up with: set that one, or to change it, the new one as ' +
          'JWT_SECRET and the old one as JWT_SECRET_PREVIOUS',
      );
    }
    return jwtSecretPrevious;
  }

  private async checkFiles(): Promise<void> {
    const exposed = (await new KeyFiles(this.config.keysDir).read()).filter((file) => file.exposed);
    if (exposed.length === 0) return;
    const names = exposed.map(({ name }) => name).join(', ');
    if (this.config.production) throw new KeyRingError(`KEYS_DIR: everybody may read ${names}: chmod 600`);
    this.logger.warn(`KEYS_DIR: everybody may read ${names}: chmod 600`);
  }
}

/** A ring with rows, but without a key that this node signs with, is somebody else's or damaged. */
function requireSigner({ keys, refused, now, longestExpiry }: KeyRows, secret: string): void {
  const { current, next } = ringAt(keys, now, longestExpiry);
  const signer = current ?? next[0];
  if (signer?.privateKey !== undefined) return;
  const kid = signer?.kid ?? refused[0]?.kid;
  if (kid !== undefined) throw new KeyRingError(`${secret} does not open the key ${kid} of the database`);
}
