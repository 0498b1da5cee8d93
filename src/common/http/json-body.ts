import { isUtf8 } from 'node:buffer';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { refuse } from '../common.errors.js';

const FORM = 'application/x-www-form-urlencoded';

/** Headers that describe a body. */
const BODY_HEADERS = ['content-type', 'content-length', 'transfer-encoding'];

/** A setting for `@RouteConfig()`: the route never reads the body of a request. */
export const IGNORES_BODY = { ignoresBody: true };

/** A setting for `@RouteConfig()`: the route takes a form. It must not use cookies, because a page of any site can send a form. */
export const TAKES_FORM = { takesForm: true };

/**
 * Accepts JSON bodies, and forms on routes with {@link TAKES_FORM}. Any other body is 415, also a compressed one. A page of another site
 * can send a form without a preflight (CORS "simple" requests), but not JSON. An empty body counts as no body, because some clients send
 * a `Content-Type` with every call. Broken UTF-8, which decoding would silently change, and keys that change prototypes are 400
 * `malformed_request`. No error quotes the body.
 */
export function takeJsonOnly(fastify: FastifyInstance): void {
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.addHook('onRequest', (request, _reply, done) => {
    const { headers } = request;
    if ('ignoresBody' in request.routeOptions.config) BODY_HEADERS.forEach((name) => delete headers[name]);
    else if (headers['content-type'] !== undefined && isEmpty(request)) delete headers['content-type'];
    done();
  });
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    // A chunked body can turn out to be empty.
    if (body.length === 0) done(null, undefined);
    else if (isCompressed(request)) done(refuseCoding(), undefined);
    else if (!isUtf8(body)) done(refuse('malformed_request'), undefined);
    // This parser of Fastify reports through `done`, not through a promise.
    else void parse(request, body.toString('utf8'), done);
  });
  fastify.addContentTypeParser(FORM, { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (body.length === 0) done(null, undefined);
    else if (!('takesForm' in request.routeOptions.config)) done(refuse('unsupported_media_type'), undefined);
    else if (isCompressed(request)) done(refuseCoding(), undefined);
    else if (!isUtf8(body)) done(refuse('malformed_request'), undefined);
    else done(null, new URLSearchParams(body.toString('utf8')));
  });
}

/** Whether the headers say that there is no body (RFC 9112, section 6.3). */
function isEmpty({ headers }: FastifyRequest): boolean {
  const length = headers['content-length'];
  return headers['transfer-encoding'] === undefined && (length === undefined || length === '0');
}

/** Whether the body has a content coding or a transfer coding besides `chunked`. The service decompresses nothing. */
function isCompressed({ headers }: FastifyRequest): boolean {
  const coding = headers['content-encoding'] ?? 'identity';
  const transfer = headers['transfer-encoding'] ?? 'chunked';
  return !/^\s*(?:identity)?\s*$/i.test(coding) || !/^\s*chunked\s*$/i.test(transfer);
}

/** RFC 9110, section 15.5.16: names the accepted coding. */
function refuseCoding() {
  return refuse('unsupported_media_type', { headers: { 'Accept-Encoding': 'identity' } });
}
