import { ZxcvbnFactory } from '@zxcvbn-ts/core';
import { adjacencyGraphs, dictionary } from '@zxcvbn-ts/language-common';

/** The minimum length of a secret in production, in characters. */
export const SECRET_MIN_LENGTH = 32;

/** A random secret has more different characters than this: 32 random hexadecimal digits have 14. */
const MIN_DISTINCT = 8;

/**
 * The minimum number of guesses, as a power of ten. zxcvbn estimates at least 10^27 for 32 random hexadecimal digits or six random
 * words, and at most 10^25 for keyboard rows, sequences, dates and repeated words.
 */
const MIN_GUESSES_LOG10 = 26;

/** UTF-16 code units per estimate. The time of an estimate grows faster than the length of the text. */
const CHUNK_LENGTH = 64;

const PLACEHOLDER =
  /your[-_ ]?(?:own[-_ ]?)?(?:super[-_ ]?)?(?:jwt[-_ ]?)?(?:secret|key)|change[-_ ]?(?:me|this|it)|(?:secret|key)[-_ ]?here|example|placeholder|replace[-_ ]?(?:me|this)|super[-_ ]?secret|insert[-_ ]|my[-_ ]?secret/i;

/** Its tables take megabytes, and a node needs them only when it starts. */
let estimator: WeakRef<ZxcvbnFactory> | undefined;

/** True for 32 characters or more, counted as Unicode code points. */
export function isLongSecret(value: unknown): boolean {
  return typeof value === 'string' && Array.from(value).length >= SECRET_MIN_LENGTH;
}

/** True for a placeholder, a repetition, or a secret of few different characters: guessable at any length. */
export function isPlaceholder(secret: string): boolean {
  return PLACEHOLDER.test(secret) || new Set(secret).size < MIN_DISTINCT || isRepetition(secret);
}

/** True for a secret that is allowed in production. */
export function isStrongSecret(value: unknown): boolean {
  return isLongSecret(value) && !isPlaceholder(value as string) && isHardToGuess(value as string);
}

/** True if one chunk is hard to guess: the other chunks cannot make the secret weaker. */
function isHardToGuess(secret: string): boolean {
  for (let start = 0; start < secret.length; start += CHUNK_LENGTH) {
    // The last chunk has the full length too, so that the last few characters alone do not decide.
    const from = Math.max(0, Math.min(start, secret.length - CHUNK_LENGTH));
    if (guessesOf(secret.slice(from, from + CHUNK_LENGTH)) >= MIN_GUESSES_LOG10) return true;
  }
  return false;
}

function guessesOf(text: string): number {
  const known = estimator?.deref();
  if (known !== undefined) return known.check(text).guessesLog10;
  // More substitutions would be ten times slower and change nothing for secrets of this length.
  const made = new ZxcvbnFactory({
    dictionary,
    graphs: adjacencyGraphs,
    maxLength: CHUNK_LENGTH,
    l33tMaxSubstitutions: 10,
  });
  estimator = new WeakRef(made);
  return made.check(text).guessesLog10;
}

function isRepetition(text: string): boolean {
  // A text that consists of a repeated part occurs in its own double before the second half.
  return (text + text).indexOf(text, 1) < text.length;
}
