import { timingSafeEqual } from 'node:crypto';

/** Text, bytes or nothing. */
type Secret = string | Uint8Array | null | undefined;

/**
 * Whether two secrets, MACs or hashes are equal. The time depends only on their lengths, so it does not reveal how much of a guess is
 * right. `null` and `undefined` equal each other and nothing else.
 */
export function sameSecret(secret: Secret, given: Secret): boolean {
  if (secret == null || given == null) return secret == null && given == null;
  const [secretBytes, givenBytes] = [Buffer.from(secret), Buffer.from(given)];
  return secretBytes.length === givenBytes.length && timingSafeEqual(secretBytes, givenBytes);
}
