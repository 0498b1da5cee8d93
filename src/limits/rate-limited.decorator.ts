import { SetMetadata, applyDecorators } from '@nestjs/common';
import { GUARDS_METADATA } from '@nestjs/common/constants.js';
import type { Bucket } from './limits.service.js';
import { RATE_LIMIT_BUCKET, RateLimitGuard } from './rate-limit.guard.js';

/** Before the route's other guards, wherever the decorator stands: a password must not be checked for a refused call. */
const guardedFirst: MethodDecorator = (_target, _name, descriptor) => {
  const handler = descriptor.value as object;
  const others = (Reflect.getMetadata(GUARDS_METADATA, handler) ?? []) as unknown[];
  Reflect.defineMetadata(GUARDS_METADATA, [RateLimitGuard, ...others], handler);
};

/** Admits `AUTH_RATE_LIMIT` calls of the route per `AUTH_RATE_WINDOW` and client address, counted under `bucket`. */
export function RateLimited(bucket: Bucket): MethodDecorator {
  return applyDecorators(SetMetadata(RATE_LIMIT_BUCKET, bucket), guardedFirst);
}
