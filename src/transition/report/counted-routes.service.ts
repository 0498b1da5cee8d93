import { Injectable, RequestMethod } from '@nestjs/common';
import type { OnApplicationBootstrap } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import type { AuthenticatedRequest } from '../../auth/principal.js';
import { bearerIn } from '../../auth/http/presented-credentials.js';
import { IS_PUBLIC } from '../../auth/auth.decorators.js';
import { SessionCookieService } from '../sessions/http/session-cookie.service.js';
import type { Scheme } from './scheme.js';

/** The calls by which a scheme is entered, gone on with and left: they are the scheme's whatever they carry. */
const AUTHENTICATION_CALLS: Readonly<Record<string, Scheme>> = {
  'POST /auth/login': 'bearer',
  'POST /auth/refresh': 'bearer',
  'POST /auth/logout': 'bearer',
  'POST /auth/downgrade': 'bearer',
  'POST /oauth/token': 'bearer',
  'POST /auth/exchange': 'session',
  'POST /api/login': 'session',
  'POST /api/logout': 'session',
};

/** To look must not change what is seen. */
const REPORT = 'GET /admin/rollout/report';

type Counting = Scheme | 'by credential' | 'not at all';

/**
 * Says which scheme a request counts for: the authentication calls for theirs, a request to any other closed route for the
 * credential that it carries (a Bearer token before a session cookie, as the guard judges), whatever the answer. Public
 * routes, unknown paths, requests that carry neither, and the report itself count for none.
 */
@Injectable()
export class CountedRoutesService implements OnApplicationBootstrap {
  private readonly closed = new Set<string>();
  /** By the configuration of Fastify's route: one object for each, as long as the process lives. */
  private readonly known = new WeakMap<object, Counting>();

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly reflector: Reflector,
    private readonly cookie: SessionCookieService,
  ) {}

  onApplicationBootstrap(): void {
    for (const { metatype, instance } of this.discovery.getControllers()) {
      if (metatype === null || typeof metatype !== 'function') continue;
      const prototype = Object.getPrototypeOf(instance) as Record<string, object>;
      for (const name of this.scanner.getAllMethodNames(prototype)) this.add(metatype, prototype[name]!);
    }
  }

  schemeOf(request: FastifyRequest): Scheme | undefined {
    const counting = this.countingOf(request);
    if (counting === 'not at all') return undefined;
    if (counting !== 'by credential') return counting;
    // Whoever came in did so by what the guard went by.
    const { user } = request as AuthenticatedRequest;
    if (user?.via !== undefined) return user.via;
    if (bearerIn(request.headers.authorization) !== undefined) return 'bearer';
    return this.cookie.isIn(request) ? 'session' : undefined;
  }

  private countingOf(request: FastifyRequest): Counting {
    const { config, url } = request.routeOptions;
    let counting = this.known.get(config);
    if (counting === undefined) {
      const route = `${request.method === 'HEAD' ? 'GET' : request.method} ${url}`;
      const closed = (this.closed.has(route) || this.closed.has(`ALL ${url}`)) && route !== REPORT;
      counting = AUTHENTICATION_CALLS[route] ?? (closed ? 'by credential' : 'not at all');
      this.known.set(config, counting);
    }
    return counting;
  }

  private add(controller: object, handler: object): void {
    const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
    const isPublic = this.reflector.getAllAndOverride<boolean | undefined>(IS_PUBLIC, [
      handler as never,
      controller as never,
    ]);
    if (method === undefined || isPublic === true) return;
    for (const prefix of pathsOf(controller)) {
      for (const path of pathsOf(handler)) {
        const segments = `${prefix}/${path}`.split('/').filter((segment) => segment !== '');
        this.closed.add(`${RequestMethod[method]} /${segments.join('/')}`);
      }
    }
  }
}

function pathsOf(target: object): string[] {
  return [(Reflect.getMetadata(PATH_METADATA, target) as string | string[] | undefined) ?? ''].flat();
}
