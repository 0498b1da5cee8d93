import { createPublicKey } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { KeyRingService } from '../../../tokens/keys/key-ring.service.js';
import { DatabaseClock } from '../../../tokens/feed/database-clock.js';

/** More than a ring ever has. The oldest keys are forgotten first. */
const MAX_KEYS = 64;

/**
 * The public keys that this node has seen in the ring. It keeps them after they have left the ring, to tell a token whose key was removed
 * from a forged one. It does not know keys that left the ring before it started.
 */
@Injectable()
export class KnownKeys implements OnModuleInit {
  private readonly keys = new Map<string, KeyObject>();

  constructor(
    private readonly ring: KeyRingService,
    private readonly clock: DatabaseClock,
  ) {
    ring.onChange(() => this.learn());
  }

  onModuleInit(): void {
    this.learn();
  }

  keyOf(kid: string): KeyObject | undefined {
    return this.keys.get(kid) ?? this.ring.verificationKey(kid)?.publicKey;
  }

  private learn(): void {
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
