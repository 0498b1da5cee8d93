import type { Sql } from '../database/database.js';
import type { EndReason } from './refresh-token.entity.js';
import type { Login } from './refresh-token.store.js';

/** What goes on when everything else of a user ends: a login, or something else that a port knows under that name. */
export interface Spared {
  readonly sid?: string | undefined;
  readonly session?: string | undefined;
}

/** What ended: some logins, or everything these users had before now except perhaps what calls. */
export type Ended =
  { readonly sids: readonly string[] } | { readonly userIds: readonly string[]; readonly except?: Spared };

/**
 * Ends whatever else shares the fate of a login. Called inside the transaction that ends it, after the rows of the
 * logins are locked: what it does is committed with the ending or not at all.
 */
export interface LoginEnding {
  /** Says how many things ended that could still have been used and belong to none of those logins. */
  onEnded(sql: Sql, ended: Ended, reason: EndReason): Promise<number>;

  /** Asked when a login goes on: false if what shares its fate has ended elsewhere, and the login has to end too. */
  mayGoOn(login: Login): Promise<boolean>;

  /** The login that shares its fate with that session now. The caller's transaction holds the user's row. */
  loginOf(sql: Sql, session: string): Promise<string | undefined>;
}

/** Injection token of the one {@link LoginEnding}; optional, without it nothing else ends. */
export const LOGIN_ENDING = Symbol('LOGIN_ENDING');
