import { Inject, Injectable } from '@nestjs/common';
import { counted } from '../common/text.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { isCommonPassword } from './common-passwords.js';
import { foldCase } from './username.js';

/** In Unicode code points after {@link normalisePassword}. */
export const PASSWORD_MAX_LENGTH = 256;

/** A password made of a part no longer than this, again and again, is guessed with the common ones. */
const SHORT_PART = 4;

/**
 * The form in which a password is hashed, when it is set and when it is checked: NFC, so that keyboards that write an
 * accent differently agree (RFC 8265, section 4.2). Nothing else is changed, and nothing is cut off.
 */
export function normalisePassword(raw: string): string {
  return raw.normalize('NFC');
}

/** Decides which passwords may be set (NIST SP 800-63B-4, section 3.1.1.2): by length and by what is commonly guessed. */
@Injectable()
export class PasswordPolicy {
  private readonly minLength: number;

  constructor(@Inject(CONFIG) config: Pick<Config, 'passwordMinLength'>) {
    this.minLength = config.passwordMinLength;
  }

  /**
   * Says what is wrong with a password that is about to be set, in words for its owner, or returns undefined if nothing
   * is. Refused are less than `PASSWORD_MIN_LENGTH` and more than 256 characters (Unicode code points), text that no
   * encoding can carry (lone surrogates), and in any case of letters: common passwords, the user's own name, sequences,
   * and repetitions of one of these or of up to four characters.
   */
  weakness(password: string, username?: string): string | undefined {
    if (/\p{Cs}/u.test(password)) return 'The password is not valid Unicode text.';
    const length = Array.from(normalisePassword(password)).length;
    if (length < this.minLength)
      return `The password needs at least ${counted(this.minLength, 'character')}.`;
    if (length > PASSWORD_MAX_LENGTH)
      return `The password may have at most ${PASSWORD_MAX_LENGTH} characters.`;
    const folded = foldCase(password);
    const part = repeatedPart(folded);
    const own = username === undefined ? undefined : foldCase(username);
    if (folded === own || part === own) return 'The password must not be the username.';
    if (isCommonPassword(folded) || isCommonPassword(part))
      return 'The password is one of the most common ones.';
    if (isSequence(folded)) return 'The password must not be a sequence of characters.';
    if (isShort(part) && part.length * 2 <= folded.length)
      return 'The password must not repeat a few characters.';
    return undefined;
  }
}

/** The shortest part that, repeated and cut off where the text ends, makes the text. At most all of it. */
function repeatedPart(text: string): string {
  for (let length = 1; length < text.length; length++) {
    if (text.startsWith(text.slice(length))) return text.slice(0, length);
  }
  return text;
}

function isShort(part: string): boolean {
  return Array.from(part).length <= SHORT_PART;
}

/** True for `abcdefgh` and `87654321`. */
function isSequence(text: string): boolean {
  const codes = Array.from(text, (character) => character.codePointAt(0) ?? 0);
  const steps = new Set(codes.slice(1).map((code, index) => code - (codes[index] ?? 0)));
  return steps.size === 1 && (steps.has(1) || steps.has(-1));
}
