import { Injectable, RequestMethod } from '@nestjs/common';
import type { OnApplicationBootstrap } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { COUNTED_AS, IS_PUBLIC } from '../../auth/auth.decorators.js';
import type { Counting } from '../../auth/auth.decorators.js';
import { bearerIn } from '../../auth/http/presented-credentials.js';
import type { AuthenticatedRequest } from '../../auth/principal.js';
import { SessionCookieService } from '../sessions/http/session-cookie.service.js';
import type { Scheme } from './report.entity.js';

/**
 * Says which scheme a request counts for. A route with `@CountedAs()` decides that itself. A request to any other closed route
 * counts for the credential that it carries, and a Bearer token takes precedence, as in the guard. The answer does not matter.
 * Public routes, unknown paths and requests without a credential do not count.
 */
@Injectable()
export class CountedRoutesService implements OnApplicationBootstrap {
  /** How each route counts, by method and path. It comes from the metadata of all controllers. */
  private readonly routes = new Map<string, Counting | 'by credential'>();

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly reflector: Reflector,
    private readonly cookie: SessionCookieService,
  ) {}

  onApplicationBootstrap(): void {
    for (const { metatype, instance } of this.discovery.getControllers()) {
      if (typeof metatype !== 'function') continue;
      const prototype = Object.getPrototypeOf(instance) as Record<string, () => unknown>;
      for (const name of this.scanner.getAllMethodNames(prototype)) this.add(metatype, prototype[name]!);
    }
  }

  schemeOf(request: FastifyRequest): Scheme | undefined {
    const { url } = request.routeOptions;
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const counting = this.routes.get(`${method} ${url}`) ?? this.routes.get(`ALL ${url}`) ?? 'nothing';
    if (counting === 'nothing') return undefined;
    if (counting !== 'by credential') return counting;
    // The guard has selected a credential if there is a principal.
    const { user } = request as AuthenticatedRequest;
    if (user?.via !== undefined) return user.via;
    if (bearerIn(request.headers.authorization) !== undefined) return 'bearer';
    return this.cookie.isIn(request) ? 'session' : undefined;
  }

  private add(controller: object, handler: () => unknown): void {
    const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
    if (method === undefined) return;
    const isPublic = this.reflector.getAllAndOverride<boolean | undefined>(IS_PUBLIC, [
      handler,
      controller as () => unknown,
    ]);
    const counting = this.reflector.get<Counting | undefined>(COUNTED_AS, handler);
    for (const prefix of pathsOf(controller)) {
      for (const path of pathsOf(handler)) {
        const segments = `${prefix}/${path}`.split('/').filter((segment) => segment !== '');
        const route = `${RequestMethod[method]} /${segments.join('/')}`;
        this.routes.set(route, counting ?? (isPublic === true ? 'nothing' : 'by credential'));
      }
    }
  }
}

function pathsOf(target: object): string[] {
  return [(Reflect.getMetadata(PATH_METADATA, target) as string | string[] | undefined) ?? ''].flat();
}
