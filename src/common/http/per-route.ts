import type { ExecutionContext } from '@nestjs/common';

/**
 * Remembers what `read` says about a route. Decorators do not change while the process runs, and reading them for each request costs
 * about 10 % of the CPU time of `/auth/verify` (ADR 0010). Remembers by class and handler, because an inherited handler is one function in all classes.
 */
export function perRoute<T extends {} | null>(
  read: (context: ExecutionContext) => T,
): (context: ExecutionContext) => T {
  const classes = new Map<object, Map<object, T>>();
  return (context) => {
    const type = context.getClass<object>();
    const handler = context.getHandler();
    let routes = classes.get(type);
    if (routes === undefined) classes.set(type, (routes = new Map()));
    let value = routes.get(handler);
    if (value === undefined) routes.set(handler, (value = read(context)));
    return value;
  };
}
