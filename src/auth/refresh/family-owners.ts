/** Knows the owners of token families better than the database of this service. */
export interface FamilyOwners {
  /**
   * Called before a genuine refresh token rotates its family. If the owner may no longer log in, it has revoked the family when it
   * returns. Throws 503 if it does not know.
   */
  confirmOwner(sid: string): Promise<void>;
}
