import type { VerifiedToken } from './access-token.js';

/**
 * Tokens whose signature was checked on this node, by their text. Says nothing of expiry or revocation. Bounded: the
 * oldest entry makes room; as all tokens live equally long that is the one which expires first.
 */
export class TokenCache<Entry extends VerifiedToken = VerifiedToken> {
  private readonly entries = new Map<string, Entry>();

  /** `capacity`: entries, at least one. */
  constructor(private readonly capacity: number) {}

  get size(): number {
    return this.entries.size;
  }

  get(token: string): Entry | undefined {
    return this.entries.get(token);
  }

  set(token: string, entry: Entry): void {
    if (this.entries.size >= this.capacity) this.entries.delete(this.entries.keys().next().value!);
    this.entries.set(token, entry);
  }

  /** Forgets the tokens signed by any key that `keeps` does not hold. */
  retainKeys(keeps: (kid: string) => boolean): void {
    for (const [token, entry] of this.entries) if (!keeps(entry.kid)) this.entries.delete(token);
  }

  /** `now`: seconds since the epoch. */
  prune(now: number): void {
    for (const [token, entry] of this.entries) if (entry.claims.exp <= now) this.entries.delete(token);
  }
}
