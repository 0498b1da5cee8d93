/** What decides about a key. Times in milliseconds on the database's clock. */
export interface KeyTimes {
  readonly kid: string;
  readonly promoteAt: number;
  readonly distrusted: boolean;
}

export interface Ring<Key extends KeyTimes> {
  /** Published, not yet signing; the soonest first. */
  readonly next: readonly Key[];
  readonly current: Key | undefined;
  /** Not signing any more; what they signed may still be valid. */
  readonly previous: readonly Key[];
}

/** Seconds that clients may keep the JWK Set. */
export const JWKS_MAX_AGE = 300;

/** How long a key is published before it signs, in seconds: `max-age`, and what usual clients keep a set beyond it. */
export const DWELL = JWKS_MAX_AGE + 600;

/** Added to the life of the last token that a key may have signed, in seconds: for clocks that differ. */
const MARGIN = 60;

/**
 * The ring at `now`. It follows from times alone, so no node has to do anything for a key to be promoted or to retire,
 * and all nodes agree. `longestExpiry`: seconds that a token may live.
 */
export function ringAt<Key extends KeyTimes>(
  keys: readonly Key[],
  now: number,
  longestExpiry: number,
): Ring<Key> {
  const trusted = keys.filter((key) => !key.distrusted).toSorted((a, b) => a.promoteAt - b.promoteAt);
  const next = trusted.filter((key) => key.promoteAt > now);
  const signed = trusted.filter((key) => key.promoteAt <= now);
  const retired = signed.slice(0, -1);
  return {
    next,
    current: signed.at(-1),
    previous: retired.filter(
      (_, index) => signed[index + 1]!.promoteAt + (longestExpiry + MARGIN) * 1000 > now,
    ),
  };
}
