import { ZxcvbnFactory } from '@zxcvbn-ts/core';
import { adjacencyGraphs, dictionary } from '@zxcvbn-ts/language-common';

/** A secret shorter than this, in characters, is refused in production. */
export const SECRET_MIN_LENGTH = 32;

/** Fewer different characters than this are no accident: 32 random hexadecimal digits have 14. */
const MIN_DISTINCT = 8;

/**
 * Guesses, as a power of ten. 32 random hexadecimal digits, six random words and everything better take at least 10^27 by zxcvbn's
 * estimate; keyboard rows, sequences, dates and repeated words take at most 10^25.
 */
const MIN_GUESSES = 26;

/** UTF-16 units that are estimated at a time. The estimate takes time that grows faster than the text. */
const PART = 64;

const PLACEHOLDER =
  /your[-_ ]?(?:own[-_ ]?)?(?:super[-_ ]?)?(?:jwt[-_ ]?)?(?:secret|key)|change[-_ ]?(?:me|this|it)|(?:secret|key)[-_ ]?here|example|placeholder|replace[-_ ]?(?:me|this)|super[-_ ]?secret|insert[-_ ]|my[-_ ]?secret/i;

let estimator: ZxcvbnFactory | undefined;

/** True for 32 characters or more, counted as Unicode code points. */
export function isLongSecret(value: unknown): boolean {
  return typeof value === 'string' && Array.from(value).length >= SECRET_MIN_LENGTH;
}

/** True for a secret that was written to be replaced, or typed by leaning on a key: public or guessable at any length. */
export function isPlaceholder(secret: string): boolean {
  return PLACEHOLDER.test(secret) || new Set(secret).size < MIN_DISTINCT || isRepetition(secret);
}

/** True for a secret that production takes. */
export function isStrongSecret(value: unknown): boolean {
  return isLongSecret(value) && !isPlaceholder(value as string) && isHardToGuess(value as string);
}

/** By the best of its parts: the others cannot make it weaker. */
function isHardToGuess(secret: string): boolean {
  for (let start = 0; start < secret.length; start += PART) {
    // The last part is a whole one too, so that no secret is judged by its few last characters.
    const from = Math.max(0, Math.min(start, secret.length - PART));
    if (guessesOf(secret.slice(from, from + PART)) >= MIN_GUESSES) return true;
  }
  return false;
}

function guessesOf(text: string): number {
  // Few substitutions: all of them would make it ten times as slow, and change nothing for secrets of this length.
  estimator ??= new ZxcvbnFactory({
    dictionary,
    graphs: adjacencyGraphs,
    maxLength: PART,
    l33tMaxSubstitutions: 10,
  });
  return estimator.check(text).guessesLog10;
}

function isRepetition(text: string): boolean {
  // Only a text made of a repeated part is found in its own double before the second half.
  return (text + text).indexOf(text, 1) < text.length;
}
