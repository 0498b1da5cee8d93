/**
 * Secrets that can be recognised by their form: our own tokens, JWTs, signed session cookies, `Authorization` values. Each
 * alternative fails fast: a client must not make the search slow.
 */
const SECRET_FORMS = new RegExp(
  [
    String.raw`tandem_[a-z]+_[\w-]+`,
    String.raw`(?<![\w-])eyJ[\w-]{8,}\.[\w-]*(?:\.[\w-]*)?`,
    String.raw`(?<!\w)s(?::|%3A)[\w-]{8,128}\.[\w+/%]{20,128}`,
    String.raw`\b(?:Bearer|Basic)\s+[^\s;,]{8,}`,
  ].join('|'),
  'gi',
);

const MASK = '[secret]';

/** Whether a client put one of our secrets into text that is no place for it. */
export function holdsSecret(text: string): boolean {
  return text.search(SECRET_FORMS) !== -1;
}

/**
 * Text of a client in the form in which it may be kept: at most `length` characters, with every secret of a known form masked. A
 * secret without a form, such as a password, cannot be recognised.
 */
export function keptText(text: string, length: number): string {
  // Masked before it is cut: the part of a token that is left might not be recognised. Cut before too, to bound the search.
  return text
    .slice(0, length * 4)
    .replace(SECRET_FORMS, MASK)
    .slice(0, length);
}
