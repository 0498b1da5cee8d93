import { METHODS } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { Injectable, SetMetadata } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { refuse } from '../../common/common.errors.js';
import { perRoute } from '../../common/http/per-route.js';

const BASE = '/auth/verify';

/** Fastify routes this path instead of a target below {@link BASE}. */
const ROUTED = `${BASE}/-`;

/** A request target in absolute form (RFC 9112, section 3.2.2), up to its path. */
const ABSOLUTE = /^https?:\/\/[^/?#]*/i;

/** `/`, `\` and their encoded forms. Some servers treat `\` as `/`. */
const SEPARATOR = /[/\\]|%(?:25)*(?:2f|5c)/i;

/** A dot, encoded once or more. */
const DOT = /%(?:25)*2e/gi;

/** The raw path that follows `/auth/verify` in a request target, without the query. Undefined for any other target. */
function forwardedPath(target: string): string | undefined {
  const path = target.replace(ABSOLUTE, '').replace(/\?.*$/s, '');
  return path.startsWith(`${BASE}/`) ? path.slice(BASE.length) : undefined;
}

/** True if another server may resolve the path differently: it has a dot segment, plain or encoded, a `\` or a `//`. */
export function isAmbiguous(path: string): boolean {
  if (path.includes('\\') || path.includes('//')) return true;
  // Some servers remove everything after `;` before they resolve a segment.
  const segments = path
    .split(SEPARATOR)
    .map((segment) => segment.replace(DOT, '.').replace(/(?:;|%3b).*$/is, ''));
  return segments.some((segment) => segment === '.' || segment === '..');
}

/**
 * A function for Fastify's option `rewriteUrl`. With it, Fastify never decodes, routes or logs the path that a proxy appends to
 * `/auth/verify`.
 */
export function withoutForwardedPath(request: IncomingMessage): string {
  const target = request.url ?? '';
  return forwardedPath(target) === undefined ? target : ROUTED;
}

/** Allows routes for every method that the HTTP parser knows. Call it before routes are added. */
export function allowAllMethods(fastify: FastifyInstance): void {
  for (const method of METHODS) {
    if (method !== 'CONNECT' && !fastify.supportedMethods.includes(method)) fastify.addHttpMethod(method);
  }
  // Fastify would refuse QUERY without a body before any guard runs.
  fastify.addHttpMethod('QUERY', { hasBody: false, overrideExisting: true });
}

/** The method to verify is that of the request itself, or the one the proxy forwards in a header. */
export type VerifiedMethod = 'request' | 'forwarded';

const FORWARD_AUTH = 'auth:forward-auth';

const reflector = new Reflector();

/** Marks a route that a proxy calls to verify another request. */
export const ForwardAuth = (method: VerifiedMethod) => SetMetadata(FORWARD_AUTH, method);

/** The method to verify for a forward-auth route; null for any other route. */
export const forwardAuthOf = perRoute(
  (context) => reflector.get<VerifiedMethod | undefined>(FORWARD_AUTH, context.getHandler()) ?? null,
);

/** Refuses a path that servers may resolve differently: 403 `forbidden`. */
@Injectable()
export class ForwardedPathGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const path = forwardedPath(context.switchToHttp().getRequest<FastifyRequest>().originalUrl);
    // Another spelling of /auth/verify: the router decodes it, and the rewriting above does not match it.
    if (path === undefined) throw refuse('not_found');
    if (isAmbiguous(path)) throw refuse('forbidden');
    return true;
  }
}
