/** RFC 6750, section 2.1; the scheme is case-insensitive (RFC 9110, section 11.1). */
const BEARER = /^bearer +(\S+)$/i;
const SCHEME = /^bearer(?: |$)/i;

/** The token in an `Authorization` header: undefined if it is of another scheme, empty if there is none after `Bearer`. */
export function bearerIn(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  // The spelling that nearly every client uses, without a regular expression.
  if (header.startsWith('Bearer ey') && !header.includes(' ', 7)) return header.slice(7);
  if (!SCHEME.test(header)) return undefined;
  return BEARER.exec(header)?.[1] ?? '';
}
