import type { CanActivate, Type } from '@nestjs/common';
import { GUARDS_METADATA } from '@nestjs/common/constants.js';

/**
 * Puts a guard before the route's others, wherever the decorator stands; of several the one that stands highest comes first. For what
 * must refuse a call before anything dear is done for it, such as the check of a password.
 */
export function guardedFirst(guard: Type<CanActivate>): MethodDecorator {
  return (_target, _name, descriptor) => {
    const handler = descriptor.value as object;
    const others = (Reflect.getMetadata(GUARDS_METADATA, handler) ?? []) as unknown[];
    Reflect.defineMetadata(GUARDS_METADATA, [guard, ...others], handler);
  };
}
