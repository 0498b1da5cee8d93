import { createHmac, createSecretKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { deriveKey } from '../../../common/crypto/derived-key.js';
import { CONFIG } from '../../../config/config.js';
import type { Config } from '../../../config/config.js';

/**
 * Derives the public id of a session from its own id: a version 8 UUID (RFC 9562, section 5.8) of 122 bits of an HMAC under a key that is
 * derived from JWT_SECRET. The same on every node. Nobody can find the session's own id from it. It changes when JWT_SECRET changes.
 */
@Injectable()
export class SessionIds {
  private readonly keys: readonly KeyObject[];

  constructor(@Inject(CONFIG) { jwtSecret, jwtSecretPrevious }: Config) {
    const secrets = jwtSecretPrevious === undefined ? [jwtSecret] : [jwtSecret, jwtSecretPrevious];
    this.keys = secrets.map((secret) => createSecretKey(deriveKey(secret, 'tandem session id').key));
  }

  /** The id that lists contain. */
  of(sid: string): string {
    return derive(this.keys[0]!, sid);
  }

  /** Whether the session has this id, also under the previous JWT_SECRET: other nodes may still use it. */
  matches(id: string, sid: string): boolean {
    return this.keys.some((key) => derive(key, sid) === id.toLowerCase());
  }
}

function derive(key: KeyObject, sid: string): string {
  const bytes = createHmac('sha256', key).update(sid).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
