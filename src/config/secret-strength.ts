/** A secret shorter than this, in characters, is refused in production. */
export const SECRET_MIN_LENGTH = 32;

/** Fewer different characters than this are no accident: 32 random hexadecimal digits have 14. */
const MIN_DISTINCT = 8;

const PLACEHOLDER =
  /your[-_ ]?(?:own[-_ ]?)?(?:super[-_ ]?)?(?:jwt[-_ ]?)?(?:secret|key)|change[-_ ]?(?:me|this|it)|(?:secret|key)[-_ ]?here|example|placeholder|replace[-_ ]?(?:me|this)|super[-_ ]?secret|insert[-_ ]|my[-_ ]?secret/i;

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
  return isLongSecret(value) && !isPlaceholder(value as string);
}

function isRepetition(text: string): boolean {
  // Only a text made of a repeated part is found in its own double before the second half.
  return (text + text).indexOf(text, 1) < text.length;
}
