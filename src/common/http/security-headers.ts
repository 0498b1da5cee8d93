import type { FastifyInstance } from 'fastify';

const API_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** Swagger UI has inline styles and shows images from `data:` URLs. Its scripts are our own files. */
const UI_POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The console has no inline scripts or styles, and asks only its own origin. `base`: the path prefix of a proxy. */
const CONSOLE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
  "manifest-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'";

export interface SecurityHeaderOptions {
  /** Tells browsers to use TLS only, for a year. */
  readonly hsts: boolean;
  /** Routes that begin with this path serve Swagger UI. */
  readonly uiPath: string;
  /** Routes that begin with this path serve the console. */
  readonly consolePath: string;
}

/**
 * Adds `X-Request-Id` to every response, and headers against content sniffing, framing and leaked addresses. Forbids caches to store
 * the answer to an authenticated request.
 */
export function addSecurityHeaders(
  fastify: FastifyInstance,
  { hsts, uiPath, consolePath }: SecurityHeaderOptions,
): void {
  const policyOf = (url = '') =>
    url.startsWith(uiPath) ? UI_POLICY : url.startsWith(consolePath) ? CONSOLE_POLICY : API_POLICY;
  fastify.addHook('onSend', (request, reply, _payload, done) => {
    // Names in lower case: Fastify would convert them for every response.
    reply.header('x-request-id', request.id);
    reply.header('x-content-type-options', 'nosniff');
    reply.header('referrer-policy', 'no-referrer');
    reply.header('content-security-policy', policyOf(request.routeOptions.url));
    if ((request as { user?: unknown }).user !== undefined) reply.header('cache-control', 'no-store');
    if (hsts) reply.header('strict-transport-security', 'max-age=31536000');
    done();
  });
}
