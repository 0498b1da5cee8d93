import type { Role } from '../users/user.entity.js';

/** Who is calling: all that handlers see of how someone came in. */
export interface Principal {
  readonly userId: string;
  readonly role: Role;
  /** The login by token that calls, or that shares its fate with the session that does. */
  readonly sid: string | undefined;
  /** The session, if it is one that calls. */
  readonly sessionId?: string | undefined;
  /** The id by which the product knows the user, null if it has none; undefined if the credential does not say. */
  readonly externalId?: string | null | undefined;
  /** For audit and metrics, never for policy. */
  readonly via: 'bearer' | 'session';
}
