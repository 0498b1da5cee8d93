import type { Sql } from '../../database/database.js';
import type { RevocationReason } from './refresh-token.entity.js';
import type { TokenFamily } from './token-family.js';

/** What goes on when everything else of a user ends: a login, or something else that a port knows under that name. */
export interface Exempt {
  readonly sid?: string | undefined;
  readonly session?: string | undefined;
}

/** What ended: some logins, or everything these users had before now except perhaps what calls. */
export type RevokedSet =
  { readonly sids: readonly string[] } | { readonly userIds: readonly string[]; readonly except?: Exempt };

/** What an ending has ended besides logins. */
export interface AlsoRevoked {
  /** How many things that could still have been used, and belong to no login. */
  readonly sessions: number;
  /** Logins that have turned out to have to end, too. */
  readonly families: readonly string[];
  /** Ids of what is to be cleared away after the commit, for {@link RevocationHook.clear}. */
  readonly leftovers: readonly string[];
}

/**
 * Ends whatever else shares the fate of a login. Called inside the transaction that ends it, after the rows of the
 * logins are locked: what it does is committed with the ending or not at all.
 */
export interface RevocationHook {
  /** Those logins, and the ones that came of them in other ways than by a refresh: they end with them. */
  successorsOf(sql: Sql, sids: readonly string[]): Promise<readonly string[]>;

  onRevoked(sql: Sql, ended: RevokedSet, reason: RevocationReason): Promise<AlsoRevoked>;

  /** Clears away leftovers once the ending has been committed. No revocation depends on it. Never throws. */
  clear(leftovers: readonly string[]): Promise<void>;

  /**
   * Asked when a token of a login that has ended is presented: true if that is theft of what the login was given up for, and not
   * the repetition of a call whose answer was lost.
   */
  isReused(login: TokenFamily, generation: number): Promise<boolean>;

  /** Asked when a login goes on: false if what shares its fate has ended elsewhere, and the login has to end too. */
  mayContinue(login: TokenFamily): Promise<boolean>;

  /** The login that shares its fate with that session now. The caller's transaction holds the user's row. */
  linkedFamilyOf(sql: Sql, session: string): Promise<string | undefined>;
}

/** Injection token of the one {@link RevocationHook}; optional, without it nothing else ends. */
export const REVOCATION_HOOK = Symbol('REVOCATION_HOOK');
