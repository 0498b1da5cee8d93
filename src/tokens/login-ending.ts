import type { Sql } from '../database/database.js';
import type { EndReason } from './refresh-token.entity.js';

/** What ended: some logins, or everything these users had before now except perhaps one login. */
export type Ended =
  | { readonly sids: readonly string[] }
  | { readonly userIds: readonly string[]; readonly exceptSid?: string | undefined };

/**
 * Ends whatever else shares the fate of a login. Called inside the transaction that ends it, after the rows of the
 * logins are locked: what it does is committed with the ending or not at all.
 */
export interface LoginEnding {
  onEnded(sql: Sql, ended: Ended, reason: EndReason): Promise<void>;
}

/** Injection token of the one {@link LoginEnding}; optional, without it nothing else ends. */
export const LOGIN_ENDING = Symbol('LOGIN_ENDING');
