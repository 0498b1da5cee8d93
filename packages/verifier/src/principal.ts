import type { VerifiedToken } from './token.js';

/** The authenticated caller of a request. */
export interface Principal {
  /** The user's id at Tandem, a UUID. */
  readonly userId: string;
  /** The product's own id of the user. Absent if the user has none. */
  readonly externalId?: string;
  readonly role: string;
  /** The token family: one login on one device. Absent for a session. */
  readonly sid?: string;
  /** How the user proved who they are. */
  readonly scheme: 'bearer' | 'session';
}

/** All requests with the token share the principal, so it is frozen. */
export function principalOf({ claims }: VerifiedToken): Principal {
  const { sub, external_id, role, sid } = claims;
  return Object.freeze({
    userId: sub,
    ...(external_id !== undefined && { externalId: external_id }),
    role,
    sid,
    scheme: 'bearer',
  });
}
