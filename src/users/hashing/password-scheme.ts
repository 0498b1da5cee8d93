/** One way of storing passwords. */
export interface PasswordScheme {
  /**
   * The cost of one check of the stored text: milliseconds of a core of a small server, rounded up. Undefined if the text is not
   * of this scheme or is malformed; Infinity if a check would take more memory than is allowed.
   */
  costOf(stored: string): number | undefined;
  /** Whether the stored text is a hash of `password`. Takes texts that have a cost. */
  verify(stored: string, password: string): Promise<boolean>;
  /** Whether a text of this scheme should be replaced after `password` was verified. */
  isOutdated(stored: string, password: string): boolean;
}

/** A password hash of another system, parsed. */
export interface ForeignHash {
  /** See {@link PasswordScheme.costOf}. */
  readonly cost: number;
  matches(password: string): Promise<boolean>;
  /** Whether all of `password` was compared, so that a new hash of it may replace this one. Always true if left out. */
  comparesAll?(password: string): boolean;
}

/** The most memory that one check may take, in bytes. */
export const MAX_MEMORY = 128 * 1024 * 1024;

/** A shorter tag would match by chance, or an attacker could choose it. Bytes. */
const MIN_TAG = 16;
const MAX_TAG = 128;

/** A scheme that only verifies: Tandem makes no new hashes of it. `parse` returns undefined for a text of another scheme. */
export function foreignScheme(parse: (stored: string) => ForeignHash | undefined): PasswordScheme {
  return {
    costOf: (stored) => parse(stored)?.cost,
    verify: async (stored, password) => (await parse(stored)?.matches(password)) ?? false,
    isOutdated: (stored, password) => parse(stored)?.comparesAll?.(password) ?? true,
  };
}

export function isTag(tag: Buffer): boolean {
  return tag.length >= MIN_TAG && tag.length <= MAX_TAG;
}

/** Decodes all common forms of base64: padded or not, with `.` for `+` (passlib), and the URL-safe alphabet. */
export function base64(text: string): Buffer {
  return Buffer.from(text.replaceAll('.', '+'), 'base64');
}
