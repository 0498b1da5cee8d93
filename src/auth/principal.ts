import type { FastifyRequest } from 'fastify';
import type { Role } from '../common/role.js';

/** The caller of a request. Handlers see nothing else of its credential. */
export interface Principal {
  readonly userId: string;
  readonly role: Role;
  /** The token family that calls, or that is linked to the session that calls. */
  readonly sid: string | undefined;
  /** The session, if the caller used a session cookie. */
  readonly sessionId?: string | undefined;
  /** The product's id of the user, or null if the user has none. Undefined if an old token does not say it; see `ExternalIdsService`. */
  readonly externalId?: string | null | undefined;
  /** How the request was authenticated. Only for audit and metrics, never for policy. */
  readonly via: 'bearer' | 'session';
}

/**
 * A request after the global guards. On every route that is not public either `user` is set, or `serviceClient`: the id of the client, only
 * on routes with `@ServiceClientsWith()`.
 */
export type AuthenticatedRequest = FastifyRequest & { user?: Principal; serviceClient?: string };
