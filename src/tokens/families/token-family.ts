import type { Role } from '../../common/role.js';
import type { TokenDelivery } from './refresh-token.entity.js';

/** A live token family, with everything that is minted into its tokens. Times in milliseconds, on the database's clock. */
export interface LiveFamily {
  readonly sid: string;
  readonly userId: string;
  readonly role: Role;
  readonly externalId: string | null;
  readonly epoch: number;
  readonly generation: number;
  readonly delivery: TokenDelivery;
  readonly expiresAt: number;
  readonly now: number;
  /** The version of the key ring when the family was read. */
  readonly keysVersion: number;
}

/** A family with its current refresh token. */
export interface FamilyToken {
  readonly family: LiveFamily;
  readonly token: string;
}

/** A family as one statement saw it. It may be revoked or expired. */
export interface TokenFamily extends LiveFamily {
  readonly secret: Buffer;
  readonly macKey: string;
  /** Whether no session is linked to the family, and none ever will be. */
  readonly unlinked: boolean;
  readonly confirmedGeneration: number;
  readonly revoked: boolean;
  readonly expired: boolean;
  /** The time since the last rotation, in seconds. */
  readonly age: number;
  readonly absoluteExpiresAt: number;
}

export interface NewFamily {
  readonly sid: string;
  readonly userId: string;
  /** The user's epoch when the credentials were verified. */
  readonly epoch: number;
  readonly secret: Buffer;
  readonly macKey: string;
  readonly delivery: TokenDelivery;
  /** The lifetimes of a refresh token and of a family, in seconds. */
  readonly expiry: number;
  readonly familyExpiry: number;
  /** Whether the user has just entered the password. */
  readonly byPassword?: boolean | undefined;
  /** Whether no session will ever be linked to it, so that its refreshes need not ask the revocation hook. */
  readonly unlinked?: boolean | undefined;
  /** The audit event; `login` by default. */
  readonly event?: string | undefined;
  /** Whether to track that the client has received the first refresh token, too. */
  readonly firstUnseen?: boolean | undefined;
}
