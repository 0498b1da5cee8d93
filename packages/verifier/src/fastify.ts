import { authenticate } from './authenticate.js';
import type { Principal } from './principal.js';
import type { RequestLike } from './request.js';
import type { Verifier } from './verifier.js';

export interface RequireAuthOptions {
  /** The principal needs one of these roles. Otherwise the answer is 403 `forbidden`. */
  readonly roles?: readonly string[] | undefined;
}

export interface TandemAuthOptions extends RequireAuthOptions {
  readonly verifier: Verifier;
}

/** A request after {@link requireAuth}. */
export type AuthenticatedRequest = RequestLike & { principal?: Principal | null };

/** A hook for `onRequest` or `preHandler`. It is the same in Fastify 4 and 5. */
export type FastifyHook = (request: AuthenticatedRequest, reply: unknown) => Promise<void>;

/** The part of a Fastify instance that the plugin needs. */
export interface FastifyLike {
  decorateRequest(name: 'principal', value: null): unknown;
  addHook(name: 'onRequest', hook: FastifyHook): unknown;
}

/**
 * A hook that lets only authenticated requests pass and sets `request.principal`. It throws an `AuthError`: Fastify's error handler
 * answers with its status and headers, and your own error handler may format the body. It reads headers only.
 */
export function requireAuth(verifier: Verifier, { roles }: RequireAuthOptions = {}): FastifyHook {
  return async (request) => {
    request.principal = await authenticate(verifier, request, roles);
  };
}

/**
 * A plugin that protects every route of the instance that registers it, and of the plugins below it. Register it in the scope of the routes
 * that need it: `await app.register(tandemAuth, { verifier })`.
 */
export async function tandemAuth(
  fastify: FastifyLike,
  { verifier, ...options }: TandemAuthOptions,
): Promise<void> {
  fastify.decorateRequest('principal', null);
  fastify.addHook('onRequest', requireAuth(verifier, options));
}

// Without its own scope, as fastify-plugin does: the hook belongs to the instance that registers the plugin.
Object.assign(tandemAuth, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: '@tandem-auth/verifier',
  [Symbol.for('plugin-meta')]: { name: '@tandem-auth/verifier', fastify: '4.x || 5.x' },
});

export default tandemAuth;
