/** `1 login`, `2 logins`. `plural` is for nouns that take more than an s. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}

/** The form of a verb or pronoun that agrees with the number: `agree(1, 'has', 'have')`. */
export function agree(count: number, singular: string, plural: string): string {
  return count === 1 ? singular : plural;
}

/**
 * Secrets with a known form: our own tokens, JWTs, signed session cookies, `Authorization` values. Each alternative fails fast, so
 * that a client cannot make the search slow.
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

/** Whether text that a client sent contains a secret with a known form. */
export function containsSecret(text: string): boolean {
  return text.search(SECRET_FORMS) !== -1;
}

/**
 * Client text that may be stored: at most `length` characters, with every secret of a known form masked. A secret without a form,
 * such as a password, cannot be found.
 */
export function maskSecrets(text: string, length: number): string {
  // Mask before the final cut, because a truncated token may no longer match. The first cut bounds the search.
  return text
    .slice(0, length * 4)
    .replace(SECRET_FORMS, MASK)
    .slice(0, length);
}
