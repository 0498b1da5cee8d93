/** A username in the form that is shown and in the form that is compared. */
export interface Username {
  /** The name in the owner's spelling, in NFC. */
  readonly display: string;
  /** Equal for names that count as the same. Stored under a unique constraint. */
  readonly key: string;
}

/** The longest form in Unicode code points. */
const MAX_LENGTH = 128;

/** Controls, format characters, lone surrogates, private and unassigned code points, and all blank or invisible characters. */
const REFUSED = /[\p{C}\p{Z}\p{White_Space}\p{Default_Ignorable_Code_Point}]/u;

/**
 * Normalises a name for comparison, or returns undefined for an invalid name: an empty text, more than 128 characters, or any invisible
 * character (white space anywhere, control and format characters, lone surrogates).
 *
 * The key is the name in NFKC, in lower case, and in NFKC again. This is the UsernameCaseMapped profile of PRECIS (RFC 8265,
 * section 3.3) with one difference: PRECIS maps only the widths of letters, refuses all other compatibility characters and normalises
 * to NFC, while NFKC maps all of them. So a ligature or a mathematical letter counts as the letter that it resembles. No one can take
 * a name that differs from another one only in this way, and an unusual keyboard or a pasted name still finds its account. Both forms
 * of the Greek sigma are one letter, as in Unicode's case folding.
 */
export function normaliseUsername(raw: string): Username | undefined {
  // Refuse a longer name before normalising it: a code point is at most two units and is composed of at most four.
  if (raw.length > MAX_LENGTH * 8) return undefined;
  const display = raw.normalize('NFC');
  const key = foldCase(display);
  const fits = display !== '' && isShort(display) && isShort(key);
  // Check the key, too: some characters, such as a lone accent, contain a space after decomposition.
  return fits && !REFUSED.test(raw) && !REFUSED.test(key) ? { display, key } : undefined;
}

/** Makes texts equal that differ only in case or compatibility forms. Idempotent. */
export function foldCase(text: string): string {
  return text.normalize('NFKC').toLowerCase().replaceAll('ς', 'σ').normalize('NFKC');
}

function isShort(text: string): boolean {
  return Array.from(text).length <= MAX_LENGTH;
}
