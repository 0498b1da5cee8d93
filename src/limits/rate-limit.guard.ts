import { Injectable, SetMetadata } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { ThrottlerGuard } from '@nestjs/throttler';
import type { ThrottlerRequest, ThrottlerStorage } from '@nestjs/throttler';
import { refuse } from '../common/common.errors.js';
import { countedClient, subjectOf } from './client-address.js';
import type { AddressedRequest } from './client-address.js';
import { ClientRateLimitService } from './client-rate-limit.service.js';
import type { AddressBucket } from './bucket.js';
import { rateLimitHeaders } from './quota.js';

const BUCKET = 'rate-limit:bucket';

/**
 * The bucket in which {@link RateLimitGuard} counts the calls of a route: `AUTH_RATE_LIMIT` calls per `AUTH_RATE_WINDOW` and client
 * address. The route also needs the guard.
 */
export const RateLimited = (bucket: AddressBucket) => SetMetadata(BUCKET, bucket);

/** A request on which an earlier guard may have left the user whose device sent it. */
export type ThrottledRequest = AddressedRequest & {
  /** The device is logged in as the user whom the request names. Its neighbours must not keep it out. */
  knownDevice?: unknown;
};

/**
 * Refuses a client that has used up its calls to a `@RateLimited()` route: 429 `rate_limited` with `Retry-After`. Every answer of
 * such a route carries the RateLimit headers. Routes without the decorator pass. A known device counts only by its own
 * address or /64.
 */
@Injectable()
export class RateLimitGuard extends ThrottlerGuard {
  protected override shouldSkip(context: ExecutionContext): Promise<boolean> {
    return Promise.resolve(this.bucketOf(context) === undefined);
  }

  protected override getTracker(request: Record<string, unknown>): Promise<string> {
    const addressed = request as unknown as ThrottledRequest;
    const client = countedClient(addressed);
    return Promise.resolve(addressed.knownDevice === undefined ? client : subjectOf(client));
  }

  /** Counted by bucket only: two handlers with one bucket share an allowance, and renaming a handler changes nothing. */
  protected override generateKey(context: ExecutionContext, client: string): string {
    return `${this.bucketOf(context)!}:${client}`;
  }

  protected override async handleRequest(request: ThrottlerRequest): Promise<boolean> {
    const { context, limit, ttl, blockDuration, throttler, getTracker, generateKey } = request;
    const { req, res } = this.getRequestResponse(context);
    const name = throttler.name ?? 'default';
    const key = generateKey(context, await getTracker(req, context), name);
    const record = await this.storageService.increment(key, ttl, limit, blockDuration, name);
    const headers = rateLimitHeaders(this.bucketOf(context)!, {
      allowed: !record.isBlocked,
      limit,
      remaining: Math.max(0, limit - record.totalHits),
      windowSeconds: ttl / 1000,
      resetMs: record.timeToExpire * 1000,
    });
    if (record.isBlocked) throw refuse('rate_limited', { headers });
    for (const [field, value] of Object.entries(headers)) this.setResponseHeader(res, field, value);
    return true;
  }

  private bucketOf(context: ExecutionContext): AddressBucket | undefined {
    return this.reflector.get<AddressBucket | undefined>(BUCKET, context.getHandler());
  }
}

type ThrottlerRecord = Awaited<ReturnType<ThrottlerStorage['increment']>>;

/** Throttler's counters, kept by {@link ClientRateLimitService}: shared by all nodes and bounded in memory. */
@Injectable()
export class SharedThrottlerStorage implements ThrottlerStorage {
  constructor(private readonly limiter: ClientRateLimitService) {}

  /** `key` is `bucket:client`, `ttl` is in milliseconds. The times in the result are in seconds. Throttler's extra block is not used. */
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
