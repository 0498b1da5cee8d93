import type { VerifiedToken } from './access-token.js';

/** Characters of a signature by which a token is found: 192 bits that no two tokens of ours have in common. */
const TAIL = 32;

/**
 * Tokens whose signature was checked on this node, by their text. Says nothing of expiry or revocation. Bounded: the
 * oldest entry makes room; as all tokens live equally long that is the one which expires first.
 */
export class TokenCache<Entry extends VerifiedToken = VerifiedToken> {
  /** By the end of the token's text: to hash all of it would cost more than everything else that a known token costs. */
  private readonly entries = new Map<string, { readonly token: string; readonly entry: Entry }>();

  /** `capacity`: entries, at least one. */
  constructor(private readonly capacity: number) {}

  get size(): number {
    return this.entries.size;
  }

  get(token: string): Entry | undefined {
    const found = this.entries.get(token.slice(-TAIL));
    // Anybody can put the end of one token behind the beginning of another: the whole text counts.
    return found?.token === token ? found.entry : undefined;
  }

  set(token: string, entry: Entry): void {
    if (this.entries.size >= this.capacity) this.entries.delete(this.entries.keys().next().value!);
    this.entries.set(token.slice(-TAIL), { token, entry });
  }

  /** Forgets the tokens signed by any key that `keeps` does not hold. */
  retainKeys(keeps: (kid: string) => boolean): void {
    for (const [tail, { entry }] of this.entries) if (!keeps(entry.kid)) this.entries.delete(tail);
  }

  /** `now`: seconds since the epoch. */
  prune(now: number): void {
    for (const [tail, { entry }] of this.entries) if (entry.claims.exp <= now) this.entries.delete(tail);
  }
}
