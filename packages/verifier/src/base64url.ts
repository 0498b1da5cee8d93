/** No character of base64url (RFC 4648, section 5). */
const FOREIGN = /[^\w-]/;

/** The last character, by the number of characters after the last four: the bits that encode nothing are zero (section 3.5). */
const LAST = ['', '', 'AQgw', 'AEIMQUYcgkosw048'] as const;

/**
 * Whether the text is base64url without padding in its only canonical spelling. False for the empty text and for any other spelling of the
 * same bytes: a cache would see another token, a verifier the same one.
 */
export function isCanonical(text: string): boolean {
  const rest = text.length % 4;
  if (text === '' || rest === 1 || FOREIGN.test(text)) return false;
  return rest === 0 || LAST[rest]!.includes(text.at(-1)!);
}

/** The bytes of a text that {@link isCanonical}. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** Base64url without padding. */
export function toBase64url(bytes: Uint8Array): string {
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
