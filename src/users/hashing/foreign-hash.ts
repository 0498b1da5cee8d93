import type { PasswordScheme } from './password-scheme.js';

/** A password as another system stored it, taken apart. */
export interface ForeignHash {
  /** See {@link PasswordScheme.costOf}. */
  readonly cost: number;
  matches(password: string): Promise<boolean>;
  /** Whether all of `password` was compared, so that a hash of it may take the place of this one. Left out: it always is. */
  comparesAll?(password: string): boolean;
}

/** The most memory that one check may take, in bytes. */
export const MAX_MEMORY = 128 * 1024 * 1024;

/** A shorter tag would be matched by chance, or by an attacker who chose it. Bytes. */
const MIN_TAG = 16;
const MAX_TAG = 128;

/** A scheme of which new hashes are never made. `read` answers undefined for what is no text of it. */
export function foreignScheme(read: (stored: string) => ForeignHash | undefined): PasswordScheme {
  return {
    costOf: (stored) => read(stored)?.cost,
    verify: async (stored, password) => (await read(stored)?.matches(password)) ?? false,
    isOutdated: (stored, password) => read(stored)?.comparesAll?.(password) ?? true,
  };
}

export function isTag(tag: Buffer): boolean {
  return tag.length >= MIN_TAG && tag.length <= MAX_TAG;
}

/** Base64 as the many write it: padded or not, with `.` for `+` (passlib) or in the alphabet of URLs. */
export function base64(text: string): Buffer {
  return Buffer.from(text.replaceAll('.', '+'), 'base64');
}
