import { createPublicKey } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { KeyRingService } from '../../../tokens/keys/key-ring.service.js';
import { DatabaseClock } from '../../../tokens/feed/database-clock.js';

/** The most keys in memory. A key ring never has so many. The oldest key is evicted first. */
const MAX_KEYS = 64;

/**
 * The public keys that this node has seen in the ring, including removed ones. A token of a removed key can so be told from a forgery.
 * Keys that were removed before the node started are unknown.
 */
@Injectable()
export class KnownKeys implements OnModuleInit {
  private readonly keys = new Map<string, KeyObject>();

  constructor(
    private readonly ring: KeyRingService,
    private readonly clock: DatabaseClock,
  ) {
    ring.onChange(() => this.remember());
  }

  onModuleInit(): void {
    this.remember();
  }

  keyOf(kid: string): KeyObject | undefined {
    return this.keys.get(kid) ?? this.ring.verificationKey(kid)?.publicKey;
  }

  private remember(): void {
    const { keys } = JSON.parse(this.ring.jwks(this.clock.now()).body) as {
      keys: (JsonWebKey & { kid: string })[];
    };
    for (const jwk of keys) {
      if (this.keys.has(jwk.kid)) continue;
      if (this.keys.size >= MAX_KEYS) this.keys.delete(this.keys.keys().next().value!);
      this.keys.set(jwk.kid, createPublicKey({ key: jwk, format: 'jwk' }));
    }
  }
}
