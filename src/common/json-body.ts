import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { refuse } from './common.errors.js';

const FORM = 'application/x-www-form-urlencoded';

/** The endpoints that take a form, as OAuth wants it. They use no cookie, so a form of another site is nobody's. */
const FORMS = '/oauth/';

/**
 * Takes JSON as the only kind of body, and forms where OAuth wants them; any other is 415. A form can be sent by another site's page without asking
 * (CORS "simple" requests), JSON cannot. Broken UTF-8 is refused, because decoding would silently change the text, and
 * so are keys that reach into prototypes: 400 `malformed_request`. Nothing of the body is in an error.
 */
export function takeJsonOnly(fastify: FastifyInstance): void {
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (!isUtf8(body)) {
      done(refuse('malformed_request'), undefined);
      return;
    }
    // The one parser of Fastify that answers through `done` alone.
    void parse(request, body.toString('utf8'), done);
  });
  fastify.addContentTypeParser(FORM, { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (request.routeOptions.url?.startsWith(FORMS) !== true)
      done(refuse('unsupported_media_type'), undefined);
    else if (!isUtf8(body)) done(refuse('malformed_request'), undefined);
    else done(null, new URLSearchParams(body.toString('utf8')));
  });
}
