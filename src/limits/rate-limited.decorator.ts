import { SetMetadata, applyDecorators } from '@nestjs/common';
import { guardedFirst } from '../common/guarded-first.js';
import type { AddressBucket } from './limits.service.js';
import { RATE_LIMIT_BUCKET, RateLimitGuard } from './rate-limit.guard.js';

/** Admits `AUTH_RATE_LIMIT` calls of the route per `AUTH_RATE_WINDOW` and client address, counted under `bucket`. */
export function RateLimited(bucket: AddressBucket): MethodDecorator {
  return applyDecorators(SetMetadata(RATE_LIMIT_BUCKET, bucket), guardedFirst(RateLimitGuard));
}
