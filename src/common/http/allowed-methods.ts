import type { FastifyInstance } from 'fastify';

interface Route {
  readonly pattern: RegExp;
  readonly methods: Set<string>;
}

/** Finds the methods that a path accepts, for the `Allow` header of a 405. Runs for unknown routes only. */
export class AllowedMethods {
  private readonly routes = new Map<string, Route>();

  /** Call it before routes are added. */
  follow(fastify: FastifyInstance): void {
    fastify.addHook('onRoute', ({ url, method }) => {
      if (url.includes('*')) return;
      let route = this.routes.get(url);
      if (route === undefined) {
        route = { pattern: patternOf(url), methods: new Set() };
        this.routes.set(url, route);
      }
      for (const one of [method].flat()) route.methods.add(one);
    });
  }

  /** The value of `Allow` for a request target; undefined if no route has its path. */
  of(target: string): string | undefined {
    const path = target.replace(/[?#].*$/s, '');
    const methods = [...this.routes.values()]
      .filter(({ pattern }) => pattern.test(path))
      .flatMap((route) => [...route.methods]);
    return methods.length === 0 ? undefined : [...new Set(methods)].toSorted().join(', ');
  }
}

function patternOf(url: string): RegExp {
  const segments = url
    .split('/')
    .map((segment) => (segment.startsWith(':') ? '[^/]+' : segment.replace(/[.+?^${}()|[\]\\]/g, '\\$&')));
  return new RegExp(`^${segments.join('/')}$`);
}
