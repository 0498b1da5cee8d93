import type { Role } from '../users/user.entity.js';

/** Who is calling: all that handlers see of how someone came in. */
export interface Principal {
  readonly userId: string;
  readonly role: Role;
  /** The login by token, if it is one. */
  readonly sid: string | undefined;
  /** For audit and metrics, never for policy. */
  readonly via: 'bearer' | 'session';
}
