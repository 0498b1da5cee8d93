import type { FastifyInstance } from 'fastify';

const API_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** Swagger UI is styled inline and shows images from `data:` URLs; its scripts are files of ours. */
const DOCS_POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/**
 * Adds to every response its `X-Request-Id` and what keeps browsers from guessing types, framing and leaking addresses;
 * with `hsts` also that they come by TLS alone for a year. No cache may keep the answer to an authenticated request.
 */
export function addSecurityHeaders(fastify: FastifyInstance, { hsts }: { readonly hsts: boolean }): void {
  fastify.addHook('onSend', (request, reply, _payload, done) => {
    // In lower case, as Fastify keeps them: it would make them so for every response.
    const docs = request.routeOptions.url?.startsWith('/docs') === true;
    reply.header('x-request-id', request.id);
    reply.header('x-content-type-options', 'nosniff');
    reply.header('referrer-policy', 'no-referrer');
    reply.header('content-security-policy', docs ? DOCS_POLICY : API_POLICY);
    if ((request as { user?: unknown }).user !== undefined) reply.header('cache-control', 'no-store');
    if (hsts) reply.header('strict-transport-security', 'max-age=31536000');
    done();
  });
}
