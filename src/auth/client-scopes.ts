import type { FastifyRequest } from 'fastify';

/** What a service client may be allowed to do, in the order in which scopes are stored and shown. */
export const CLIENT_SCOPES = ['introspect', 'revoke', 'revocations', 'users', 'sessions'] as const;

export type ClientScope = (typeof CLIENT_SCOPES)[number];

/** The scopes of a client that is created without any, and of every client from a release before scopes. */
export const DEFAULT_SCOPES: readonly ClientScope[] = ['introspect', 'revoke'];

/** The scopes without repetitions, in the order of {@link CLIENT_SCOPES}. */
export function canonicalScopes(scopes: readonly ClientScope[]): ClientScope[] {
  return CLIENT_SCOPES.filter((scope) => scopes.includes(scope));
}

/** Authenticates service clients for routes that are open to them. `oauth` implements it. */
export interface ClientAuthenticator {
  /**
   * The id of the client that the `Authorization: Basic` header names. Throws 401 `invalid_client`, 403 `insufficient_scope`, or 429 after
   * too many failures from one address.
   */
  authenticate(request: FastifyRequest, scope: ClientScope): Promise<string>;
}
