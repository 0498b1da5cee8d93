import { SetMetadata } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';

export const IS_PUBLIC = 'auth:public';

/** Opens a route to everybody. Every other route is closed. */
export const Public = () => SetMetadata(IS_PUBLIC, true);

/** Routes are few and live as long as the process. */
const known = new WeakMap<object, boolean>();

export function isPublic(reflector: Reflector, context: ExecutionContext): boolean {
  const handler = context.getHandler();
  let open = known.get(handler);
  if (open === undefined) {
    open =
      reflector.getAllAndOverride<boolean | undefined>(IS_PUBLIC, [handler, context.getClass()]) === true;
    known.set(handler, open);
  }
  return open;
}
