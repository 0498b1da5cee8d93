import { Injectable } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { ThrottlerGuard } from '@nestjs/throttler';
import type { ThrottlerRequest } from '@nestjs/throttler';
import { refuse } from '../common/common.errors.js';
import { countedClient, subjectOf } from './client-address.js';
import type { AddressedRequest } from './client-address.js';
import type { AddressBucket } from './limits.service.js';
import { rateLimitHeaders } from './rate-limit.headers.js';
import { throttlerKey } from './throttler.storage.js';

/** Metadata key of the bucket of a route. */
export const RATE_LIMIT_BUCKET = 'rate-limit:bucket';

/** A request that an earlier guard may have recognised. */
export type RecognisableRequest = AddressedRequest & {
  /** It comes from a device that is logged in as the user whom it names: its neighbours must not keep it out. */
  knownDevice?: unknown;
};

/**
 * Refuses a client that has used up its calls to a `@RateLimited()` route: 429 `rate_limited` with `Retry-After`. Every answer of
 * such a route carries the RateLimit headers. Routes without the decorator pass. A known device counts by its own address or
 * /64 alone.
 */
@Injectable()
export class RateLimitGuard extends ThrottlerGuard {
  protected override shouldSkip(context: ExecutionContext): Promise<boolean> {
    return Promise.resolve(this.bucketOf(context) === undefined);
  }

  protected override getTracker(request: Record<string, unknown>): Promise<string> {
    const addressed = request as unknown as RecognisableRequest;
    const address = countedClient(addressed);
    return Promise.resolve(addressed.knownDevice === undefined ? address : subjectOf(address));
  }

  /** By the bucket alone: two handlers with one bucket share an allowance, and renaming one changes nothing. */
  protected override generateKey(context: ExecutionContext, client: string): string {
    return throttlerKey(this.bucketOf(context)!, client);
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
    return this.reflector.get<AddressBucket | undefined>(RATE_LIMIT_BUCKET, context.getHandler());
  }
}
