import { Injectable } from '@nestjs/common';
import type { ThrottlerStorage } from '@nestjs/throttler';
import { RateLimiter } from './limits.service.js';
import type { Bucket } from './limits.service.js';

type ThrottlerRecord = Awaited<ReturnType<ThrottlerStorage['increment']>>;

/** Bucket and subject as the one key that throttler hands through. */
export function throttlerKey(bucket: Bucket, subject: string): string {
  return `${bucket}:${subject}`;
}

/** Throttler's counters, kept by {@link RateLimiter}: shared by all nodes and bounded in memory. */
@Injectable()
export class SharedThrottlerStorage implements ThrottlerStorage {
  constructor(private readonly limiter: RateLimiter) {}

  /** `ttl` is in milliseconds; the times in the answer are in seconds, as throttler has them. There is no extra block. */
  async increment(key: string, ttl: number, limit: number): Promise<ThrottlerRecord> {
    const colon = key.indexOf(':');
    const outcome = await this.limiter.hit(key.slice(0, colon) as Bucket, key.slice(colon + 1), {
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
