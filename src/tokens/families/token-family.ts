import type { Role } from '../../users/user.entity.js';
import type { TokenDelivery } from './refresh-token.entity.js';

/** A login that goes on, with what is minted into its tokens. Times in milliseconds, on the database's clock. */
export interface LiveFamily {
  readonly sid: string;
  readonly userId: string;
  readonly role: Role;
  readonly epoch: number;
  readonly generation: number;
  readonly delivery: TokenDelivery;
  readonly expiresAt: number;
  readonly now: number;
}

/** A login with its current refresh token. */
export interface FamilyToken {
  readonly family: LiveFamily;
  readonly token: string;
}

/** A login as one statement saw it, whatever has become of it. */
export interface TokenFamily extends LiveFamily {
  readonly secret: Buffer;
  readonly macKey: string;
  /** Nothing else shares its fate, and never will. */
  readonly unlinked: boolean;
  readonly confirmedGeneration: number;
  readonly revoked: boolean;
  readonly expired: boolean;
  /** Since the current generation came to be, in seconds. */
  readonly age: number;
  readonly absoluteExpiresAt: number;
}

export interface NewFamily {
  readonly sid: string;
  readonly userId: string;
  /** Of the user when the credentials were checked. */
  readonly epoch: number;
  readonly secret: Buffer;
  readonly macKey: string;
  readonly delivery: TokenDelivery;
  /** Seconds. */
  readonly expiry: number;
  readonly familyExpiry: number;
  /** Nothing else shares its fate, and never will: it goes on without that being asked. */
  readonly unlinked?: boolean | undefined;
  /** What is audited, a login unless it is said. */
  readonly event?: string | undefined;
  /** Whether it matters when the client has received the first refresh token, too. */
  readonly firstUnseen?: boolean | undefined;
}
