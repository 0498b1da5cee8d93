import { Inject, Injectable } from '@nestjs/common';
import { RowMacs } from '../common/crypto/row-macs.js';
import type { Macs } from '../common/crypto/row-macs.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';

/**
 * Recognises the password hash that the product stated last. A login replaces an outdated hash, so comparing with the stored hash would take
 * a repeated upsert for a new password and end the user's logins. Only MACs with a key derived from JWT_SECRET are stored.
 */
@Injectable()
export class StatedHashes {
  private readonly macs: RowMacs;

  constructor(@Inject(CONFIG) config: Config) {
    this.macs = new RowMacs('users.upsert_hash', config);
  }

  macsOf(userId: string, hash: string): Macs {
    return this.macs.make([userId, hash]);
  }

  /** Whether these MACs, from the database, are over this hash. */
  isSame(userId: string, hash: string, stored: unknown): boolean {
    return this.macs.verify([userId, hash], stored) === 'right';
  }
}
