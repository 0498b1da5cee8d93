import { METHODS } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { Injectable, SetMetadata } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { refuse } from '../../common/common.errors.js';
import { perRoute } from '../../common/per-route.js';

const BASE = '/auth/verify';

/** What Fastify routes in place of a target below {@link BASE}. */
const ROUTED = `${BASE}/-`;

/** A request target in absolute form (RFC 9112, section 3.2.2), up to its path. */
const ABSOLUTE = /^https?:\/\/[^/?#]*/i;

/** `/` and its encoded form, and the same of `\`, which some servers take for it. */
const SEPARATOR = /[/\\]|%(?:25)*(?:2f|5c)/i;

/** A dot, encoded once or more. */
const DOT = /%(?:25)*2e/gi;

/** The path of a request target below `/auth/verify`, as it was sent and without its query; undefined for any other target. */
function forwardedPath(target: string): string | undefined {
  const path = target.replace(ABSOLUTE, '').replace(/\?.*$/s, '');
  return path.startsWith(`${BASE}/`) ? path.slice(BASE.length) : undefined;
}

/** True for a path that another server may resolve to another one: with a dot segment, plain or encoded, with `\` or with `//`. */
export function isAmbiguous(path: string): boolean {
  if (path.includes('\\') || path.includes('//')) return true;
  // Some servers cut off what follows `;` before they resolve a segment.
  const segments = path
    .split(SEPARATOR)
    .map((segment) => segment.replace(DOT, '.').replace(/(?:;|%3b).*$/is, ''));
  return segments.some((segment) => segment === '.' || segment === '..');
}

/** For Fastify's option `rewriteUrl`: a suffix that a proxy appended to `/auth/verify` is never decoded, routed or logged. */
export function withoutForwardedPath(request: IncomingMessage): string {
  const target = request.url ?? '';
  return forwardedPath(target) === undefined ? target : ROUTED;
}

/** Lets the instance route every method that the HTTP parser knows. Must be called before routes are added. */
export function takeAllMethods(fastify: FastifyInstance): void {
  for (const method of METHODS) {
    if (method !== 'CONNECT' && !fastify.supportedMethods.includes(method)) fastify.addHttpMethod(method);
  }
  // Fastify would refuse it without a body before any guard.
  fastify.addHttpMethod('QUERY', { hasBody: false, overrideExisting: true });
}

/** Where a forward-auth route finds the method of the request that the proxy asks about. */
export type JudgedMethod = 'own' | 'named';

const FORWARD_AUTH = 'auth:forward-auth';

const reflector = new Reflector();

/** Marks a route that a proxy calls to ask about another request: `named` in headers, or by its `own` method. */
export const ForwardAuth = (method: JudgedMethod) => SetMetadata(FORWARD_AUTH, method);

/** Null for a route that is called for its own sake. */
export const forwardAuthOf = perRoute(
  (context) => reflector.get<JudgedMethod | undefined>(FORWARD_AUTH, context.getHandler()) ?? null,
);

/** Asks whether the path that a proxy appended means the same to everybody. Throws 403 `forbidden`. */
@Injectable()
export class ForwardedPathGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const path = forwardedPath(context.switchToHttp().getRequest<FastifyRequest>().originalUrl);
    // The router decodes what it was not given by the rewriting above: another spelling of /auth/verify.
    if (path === undefined) throw refuse('not_found');
    if (isAmbiguous(path)) throw refuse('forbidden');
    return true;
  }
}
