import type { Principal } from './principal.js';
import type { VerifiedToken } from './token.js';

/** A token whose signature has been verified. Says nothing about trust in the key, revocation or expiry. */
export interface CachedToken {
  readonly token: string;
  readonly verified: VerifiedToken;
  readonly principal: Principal;
}

/** Tokens held, at about 1.5 kB each. */
export const CAPACITY = 20_000;

/** The characters at the end of a token that identify it: 192 bits of its signature. */
const TAIL = 32;

/** The tokens whose signature this process has verified. Bounded: the oldest one makes room. */
export class TokenCache {
  private readonly entries = new Map<string, CachedToken>();

  find(token: string): CachedToken | undefined {
    const entry = this.entries.get(token.slice(-TAIL));
    // Anybody can put the end of one token behind the beginning of another, so compare the whole text.
    return entry?.token === token ? entry : undefined;
  }

  add(entry: CachedToken): void {
    if (this.entries.size >= CAPACITY) this.entries.delete(this.entries.keys().next().value!);
    this.entries.set(entry.token.slice(-TAIL), entry);
  }

  delete(token: string): void {
    this.entries.delete(token.slice(-TAIL));
  }
}
