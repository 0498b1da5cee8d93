import { Injectable } from '@nestjs/common';
import type { ThrottlerStorage } from '@nestjs/throttler';
import { ClientRateLimiter } from './client-limits.service.js';
import type { AddressBucket } from './limits.service.js';

type ThrottlerRecord = Awaited<ReturnType<ThrottlerStorage['increment']>>;

/** Bucket and client as the one key that throttler hands through. */
export function throttlerKey(bucket: AddressBucket, client: string): string {
  return `${bucket}:${client}`;
}

/** Throttler's counters, kept by {@link ClientRateLimiter}: shared by all nodes and bounded in memory. */
@Injectable()
export class SharedThrottlerStorage implements ThrottlerStorage {
  constructor(private readonly limiter: ClientRateLimiter) {}

  /** `ttl` is in milliseconds; the times in the answer are in seconds, as throttler has them. There is no extra block. */
  async increment(key: string, ttl: number, limit: number): Promise<ThrottlerRecord> {
    const colon = key.indexOf(':');
    const outcome = await this.limiter.hit(key.slice(0, colon) as AddressBucket, key.slice(colon + 1), {
      limit,
      windowSeconds: ttl / 1000,
    });
    return {
      totalHits: limit - outcome.remaining + (outcome.allowed ? 0 : 1),
      timeToExpire: outcome.resetMs / 1000,
      isBlocked: !outcome.allowed,
      timeToBlockExpire: outcome.retryAfterMs / 1000,
    };
  }
}
