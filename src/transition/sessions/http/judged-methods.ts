import type { FastifyRequest } from 'fastify';

/** Methods that change nothing (RFC 9110, section 9.2.1). Methods are case-sensitive: any other spelling is another method. */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Where proxies name the method of the request that they ask about. */
const NAMING_HEADERS = ['x-forwarded-method', 'x-original-method'] as const;

/** What makes something else of a request than its method says: another method, or a connection for more than one request. */
const ALTERING_HEADERS = [
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
  'upgrade',
  'sec-websocket-key',
] as const;

/** Whether the call may change something. */
export function changesState(request: FastifyRequest): boolean {
  return !SAFE.has(request.method);
}

/**
 * Whether the request that a proxy asks about may change something. `own` is its method if the proxy kept it. A request whose method
 * is named by nobody, is named differently, is unknown or may be overridden counts as one that does. The headers are taken from
 * anyone: another site's page can send them only after a CORS preflight, which is refused.
 */
export function forwardedChangesState({ headers }: FastifyRequest, own?: string): boolean {
  if (ALTERING_HEADERS.some((name) => headers[name] !== undefined)) return true;
  const named = NAMING_HEADERS.flatMap((name) => headers[name] ?? [])
    .flatMap((value) => value.split(','))
    .map((method) => method.trim());
  const [method, ...others] = own === undefined ? named : [own, ...named];
  return method === undefined || !SAFE.has(method) || others.some((other) => other !== method);
}
