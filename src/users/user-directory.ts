import type { User } from './user.entity.js';

/** Users whom a product owns. Their passwords are not stored here. */
export interface UserDirectory {
  /** Whether the product owns the user: it controls the password. */
  owns(user: Pick<User, 'externalId' | 'role'>): boolean;

  /** Brings the user up to date with what the product says now, or creates the user. Throws 503. */
  renew(externalId: string): Promise<void>;

  /** The user who logs in with this name, as the product describes them now, with the product's password hash. Throws 503. */
  findByName(username: string): Promise<User | undefined>;
}
