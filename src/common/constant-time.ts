import { timingSafeEqual } from 'node:crypto';

/** Text, bytes or nothing. */
type Secret = string | Uint8Array | null | undefined;

/**
 * Whether two secrets, MACs or hashes are the same. The time depends on their lengths alone, so it does not tell how much of a guess is
 * right. Nothing equals nothing only: `null` and `undefined` are the same, and differ from every text.
 */
export function sameSecret(secret: Secret, given: Secret): boolean {
  if (secret == null || given == null) return secret == null && given == null;
  const [secretBytes, givenBytes] = [Buffer.from(secret), Buffer.from(given)];
  return secretBytes.length === givenBytes.length && timingSafeEqual(secretBytes, givenBytes);
}
