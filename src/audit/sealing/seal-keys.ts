import { createHmac } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { sameSecret } from '../../common/crypto/constant-time.js';
import { deriveKey } from '../../common/crypto/derived-key.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';

/** The result of checking an HMAC with the keys of this node. */
export type MacCheck = 'right' | 'wrong' | 'unknown_key';

/**
 * The keys for seals, derived from JWT_SECRET, so that write access to the database is not enough to make a seal. The key derived from
 * JWT_SECRET_PREVIOUS still verifies.
 */
@Injectable()
export class SealKeys {
  /** The name of the key for new seals. */
  readonly current: string;
  /** The name of the key from JWT_SECRET_PREVIOUS, if there is one. */
  readonly previous: string | undefined;
  private readonly keys = new Map<string, Buffer>();

  constructor(
    @Inject(CONFIG) { jwtSecret, jwtSecretPrevious }: Pick<Config, 'jwtSecret' | 'jwtSecretPrevious'>,
  ) {
    this.previous = jwtSecretPrevious === undefined ? undefined : this.derive(jwtSecretPrevious);
    this.current = this.derive(jwtSecret);
  }

  /** `name`: the name of a key of this node. */
  mac(purpose: 'seal' | 'removed', parts: readonly (string | number)[], name = this.current): Buffer {
    return this.with(this.keys.get(name)!, purpose, parts);
  }

  check(
    purpose: 'seal' | 'removed',
    parts: readonly (string | number)[],
    mac: Buffer,
    name: string,
  ): MacCheck {
    const key = this.keys.get(name);
    if (key === undefined) return 'unknown_key';
    return sameSecret(this.with(key, purpose, parts), mac) ? 'right' : 'wrong';
  }

  private with(key: Buffer, purpose: string, parts: readonly (string | number)[]): Buffer {
    return createHmac('sha256', key)
      .update(JSON.stringify([purpose, ...parts]))
      .digest();
  }

  private derive(secret: string): string {
    const { name, key } = deriveKey(secret, 'tandem audit seal');
    this.keys.set(name, key);
    return name;
  }
}
