/** A user's name, as it is shown and as it is compared. */
export interface Username {
  /** As its owner wrote it, in NFC. */
  readonly display: string;
  /** Equal for names that count as the same. Stored under a unique constraint. */
  readonly key: string;
}

/** In Unicode code points, of either form. */
const MAX_LENGTH = 128;

/** Controls, format characters, lone surrogates, private and unassigned code points; whatever is blank or invisible. */
const REFUSED = /[\p{C}\p{Z}\p{White_Space}\p{Default_Ignorable_Code_Point}]/u;

/**
 * Brings a name into the form in which it is compared, or returns undefined for what cannot be a name: nothing, more than
 * 128 characters, or any that cannot be seen (white space anywhere, control and format characters, lone surrogates).
 *
 * The key is the name in NFKC, in lower case, and in NFKC again. That is the UsernameCaseMapped profile of PRECIS (RFC
 * 8265, section 3.3) but for one choice: PRECIS maps the widths of letters, refuses the other compatibility characters and
 * normalises to NFC, while NFKC maps them all. So a ligature or a mathematical letter is not refused but is the letter it
 * looks like: nobody can take a name that only looks like another's for this reason, and what a keyboard or a paste
 * happened to produce still finds its account. Both forms of the Greek sigma are one letter, as in Unicode's case folding.
 */
export function normaliseUsername(raw: string): Username | undefined {
  // A longer one is refused before it costs anything: no code point is more than two units, nor composed of more than four.
  if (raw.length > MAX_LENGTH * 8) return undefined;
  const display = raw.normalize('NFC');
  const key = foldCase(display);
  const fits = display !== '' && isShort(display) && isShort(key);
  // The key too: some characters, such as a lone accent, contain a space once they are taken apart.
  return fits && !REFUSED.test(raw) && !REFUSED.test(key) ? { display, key } : undefined;
}

/** Makes texts equal that differ in case or compatibility forms only. Folding the result changes nothing. */
export function foldCase(text: string): string {
  return text.normalize('NFKC').toLowerCase().replaceAll('ς', 'σ').normalize('NFKC');
}

function isShort(text: string): boolean {
  return Array.from(text).length <= MAX_LENGTH;
}
