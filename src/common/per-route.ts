import type { ExecutionContext } from '@nestjs/common';

/**
 * Remembers what `read` says of a route, for decorators do not change while the process lives. By class and handler: one that is
 * inherited is the same function in each class that has it.
 */
export function perRoute<T extends {} | null>(
  read: (context: ExecutionContext) => T,
): (context: ExecutionContext) => T {
  const known = new WeakMap<object, Map<object, T>>();
  return (context) => {
    const type = context.getClass<object>();
    const handler = context.getHandler();
    let routes = known.get(type);
    if (routes === undefined) known.set(type, (routes = new Map()));
    let value = routes.get(handler);
    if (value === undefined) routes.set(handler, (value = read(context)));
    return value;
  };
}
