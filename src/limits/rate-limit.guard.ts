import { Injectable } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { ThrottlerGuard } from '@nestjs/throttler';
import type { ThrottlerRequest } from '@nestjs/throttler';
import { refuse } from '../common/common.errors.js';
import { clientSubject } from './client-address.js';
import type { AddressedRequest } from './client-address.js';
import type { Bucket } from './limits.service.js';
import { rateLimitHeaders } from './rate-limit.headers.js';
import { throttlerKey } from './throttler.storage.js';

/** Metadata key of the bucket of a route. */
export const RATE_LIMIT_BUCKET = 'rate-limit:bucket';

/**
 * Refuses a client that has had its calls to a `@RateLimited()` route: 429 `rate_limited` with `Retry-After`. Every answer of
 * such a route carries the RateLimit headers. Routes without the decorator pass.
 */
@Injectable()
export class RateLimitGuard extends ThrottlerGuard {
  protected override shouldSkip(context: ExecutionContext): Promise<boolean> {
    return Promise.resolve(this.bucketOf(context) === undefined);
  }

  protected override getTracker(request: Record<string, unknown>): Promise<string> {
    return Promise.resolve(clientSubject(request as unknown as AddressedRequest));
  }

  /** By the bucket alone: two handlers with one bucket share an allowance, and renaming one changes nothing. */
  protected override generateKey(context: ExecutionContext, subject: string): string {
    return throttlerKey(this.bucketOf(context)!, subject);
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

  private bucketOf(context: ExecutionContext): Bucket | undefined {
    return this.reflector.get<Bucket | undefined>(RATE_LIMIT_BUCKET, context.getHandler());
  }
}
