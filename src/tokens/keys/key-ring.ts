/** Why a node refuses to use the key ring. The message contains no secret. */
export class KeyRingError extends Error {
  override readonly name = 'KeyRingError';
}

/** What decides the state of a key. Times in milliseconds on the database's clock. */
export interface KeyTimes {
  readonly kid: string;
  readonly promoteAt: number;
  readonly distrusted: boolean;
}

export interface Ring<Key extends KeyTimes> {
  /** Published but not signing yet, in the order of their promotion. */
  readonly next: readonly Key[];
  readonly current: Key | undefined;
  /** No longer signing; tokens that they signed may still be valid. */
  readonly previous: readonly Key[];
}

/** How long clients may cache the JWK Set, in seconds. */
export const JWKS_MAX_AGE = 300;

/** How long a key is published before it signs, in seconds: `max-age`, and how long usual clients keep a set beyond it. */
export const DWELL = JWKS_MAX_AGE + 600;

/** Added to the lifetime of the last token that a key may have signed, in seconds, because clocks differ. */
export const MARGIN = 60;

/** How long distrusted keys stay listed. */
const DISTRUSTED_RETENTION_MS = 30 * 24 * 3_600_000;

/**
 * The ring at `now`. It follows from times alone: no node has to promote or retire a key, and all nodes agree. `longestExpiry`: the
 * longest token lifetime in seconds.
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

/** The keys that can be removed: no valid token is signed with them, and distrusted ones have been listed for 30 days. */
export function removableKeys(
  keys: readonly (KeyTimes & { readonly distrustedAt: Date | null })[],
  now: number,
  longestExpiry: number,
): string[] {
  const { current, next, previous } = ringAt(keys, now, longestExpiry);
  const kept = new Set([current, ...next, ...previous].map((key) => key?.kid));
  return keys
    .filter(({ kid, distrusted, distrustedAt }) => {
      const since = distrustedAt?.getTime() ?? (distrusted ? now : 0);
      return !kept.has(kid) && since < now - DISTRUSTED_RETENTION_MS;
    })
    .map(({ kid }) => kid);
}
