import type { Sql } from '../../database/database.js';
import type { RevocationReason } from './refresh-token.entity.js';
import type { TokenFamily } from './token-family.js';

/** The family or session that stays live when all others of a user are revoked. Only the hook knows the session's id. */
export interface Exempt {
  readonly sid?: string | undefined;
  readonly session?: string | undefined;
}

/** What was revoked: some families, or all families and sessions of these users, except perhaps the caller's own. */
export type RevokedSet =
  { readonly sids: readonly string[] } | { readonly userIds: readonly string[]; readonly except?: Exempt };

/** What the hook has revoked in addition. */
export interface AlsoRevoked {
  /** The number of live sessions without a linked family. */
  readonly sessions: number;
  /** Families that have to be revoked, too. */
  readonly families: readonly string[];
  /** Ids for {@link RevocationHook.clear}. */
  readonly leftovers: readonly string[];
}

/**
 * Revokes the sessions that are linked to token families. It runs inside the transaction that revokes a family, after that has locked
 * the rows of the families: its changes are committed together with the revocation or not at all.
 */
export interface RevocationHook {
  /** These families and the ones that came from them other than by a refresh: all are revoked together. */
  successorsOf(sql: Sql, sids: readonly string[]): Promise<readonly string[]>;

  onRevoked(sql: Sql, revoked: RevokedSet, reason: RevocationReason): Promise<AlsoRevoked>;

  /** Deletes leftovers after the commit, perhaps none. No revocation depends on it. Never throws. */
  clear(leftovers: readonly string[]): Promise<void>;

  /**
   * Called when a token of a revoked family is presented. True if that is a reuse of a token of a downgraded family, and false
   * if it is a retry of a call whose response was lost.
   */
  isReused(family: TokenFamily, generation: number): Promise<boolean>;

  /** Called before a linked family rotates. False if its session has been revoked elsewhere, so that the family has to be revoked. */
  mayContinue(family: TokenFamily): Promise<boolean>;

  /** The family that is linked to the session now. The caller's transaction holds the user's row. */
  linkedFamilyOf(sql: Sql, session: string): Promise<string | undefined>;
}
