import { isUtf8 } from 'node:buffer';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { refuse } from './common.errors.js';

const FORM = 'application/x-www-form-urlencoded';

/** The endpoints that take a form, as OAuth wants it. They use no cookie, so a form of another site is nobody's. */
const FORMS = '/oauth/';

/** What says that a request has a body. */
const BODY_HEADERS = ['content-type', 'content-length', 'transfer-encoding'];

/** For `@RouteConfig()`: whatever body comes with a call of the route is neither read nor judged. */
export const IGNORES_BODY = { ignoresBody: true };

/**
 * Takes JSON as the only kind of body, and forms where OAuth wants them; any other is 415. A form can be sent by another site's page without asking
 * (CORS "simple" requests), JSON cannot. An empty body is no body, whatever its type: clients send a global `Content-Type` with every
 * call. Compressed bodies are 415. Broken UTF-8 is refused, because decoding would silently change the text, and
 * so are keys that reach into prototypes: 400 `malformed_request`. Nothing of the body is in an error.
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
    // Chunked: nothing said before that it would be empty.
    if (body.length === 0) done(null, undefined);
    else if (isCompressed(request)) done(refuseCoding(), undefined);
    else if (!isUtf8(body)) done(refuse('malformed_request'), undefined);
    // The one parser of Fastify that answers through `done` alone.
    else void parse(request, body.toString('utf8'), done);
  });
  fastify.addContentTypeParser(FORM, { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (body.length === 0) done(null, undefined);
    else if (request.routeOptions.url?.startsWith(FORMS) !== true)
      done(refuse('unsupported_media_type'), undefined);
    else if (isCompressed(request)) done(refuseCoding(), undefined);
    else if (!isUtf8(body)) done(refuse('malformed_request'), undefined);
    else done(null, new URLSearchParams(body.toString('utf8')));
  });
}

/** Whether the head of a request says that it has no body (RFC 9112, section 6.3). */
function isEmpty({ headers }: FastifyRequest): boolean {
  const length = headers['content-length'];
  return headers['transfer-encoding'] === undefined && (length === undefined || length === '0');
}

/** Whether the body has a content coding or a transfer coding besides `chunked`. Nothing is decompressed here. */
function isCompressed({ headers }: FastifyRequest): boolean {
  const coding = headers['content-encoding'] ?? 'identity';
  const transfer = headers['transfer-encoding'] ?? 'chunked';
  return !/^\s*(?:identity)?\s*$/i.test(coding) || !/^\s*chunked\s*$/i.test(transfer);
}

/** RFC 9110, section 15.5.16: says which codings would be taken. */
function refuseCoding() {
  return refuse('unsupported_media_type', { headers: { 'Accept-Encoding': 'identity' } });
}
