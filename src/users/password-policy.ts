import { Inject, Injectable } from '@nestjs/common';
import { dictionary } from '@zxcvbn-ts/language-common';
import { ValidateBy } from 'class-validator';
import { counted } from '../common/text.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { foldCase } from './username.js';

/** The longest password that may be set, in Unicode code points after {@link normalisePassword}. */
export const PASSWORD_MAX_LENGTH = 256;

/** The longest password that a login checks: imported users may come from systems that allow more than {@link PASSWORD_MAX_LENGTH}. */
export const CHECKED_PASSWORD_MAX_LENGTH = 1024;

/** The most UTF-16 code units of a decomposed character. Longer input is refused before it is normalised. */
const MAX_UNITS_PER_CHARACTER = 4;

/** Repetitions of up to this many characters are as easy to guess as common passwords. */
const SHORT_PART = 4;

/** Some 49,000 passwords that are the most common in breaches. In lower case. */
const COMMON: ReadonlySet<string> = new Set(dictionary['passwords-common']);

/**
 * The form in which a password is hashed, when it is set and when it is checked: NFC, so that keyboards that encode an
 * accent differently agree (RFC 8265, section 4.2). Nothing else is changed or truncated.
 */
export function normalisePassword(raw: string): string {
  return raw.normalize('NFC');
}

/**
 * Validates a string that could be a password: 1 to `maxLength` characters after NFC normalisation, as a login counts them. The default
 * is the longest password that may be set.
 */
export const IsPassword = (maxLength = PASSWORD_MAX_LENGTH) =>
  ValidateBy({
    name: 'isPassword',
    validator: {
      validate: (value: unknown) =>
        typeof value === 'string' &&
        value !== '' &&
        value.length <= MAX_UNITS_PER_CHARACTER * maxLength &&
        Array.from(normalisePassword(value)).length <= maxLength,
      defaultMessage: (context) => `${context?.property} must be a string of 1 to ${maxLength} characters`,
    },
  });

/** Decides which passwords may be set (NIST SP 800-63B-4, section 3.1.1.2), by length and by what attackers try first. */
@Injectable()
export class PasswordPolicy {
  private readonly minLength: number;

  constructor(@Inject(CONFIG) config: Pick<Config, 'passwordMinLength'>) {
    this.minLength = config.passwordMinLength;
  }

  /**
   * Explains to the owner why a new password is too weak, or returns undefined if it is accepted. Refuses less than
   * `PASSWORD_MIN_LENGTH` and more than 256 characters (Unicode code points) and lone surrogates, which no encoding can carry. Also
   * refuses, in any letter case, common passwords, the username, sequences, and repetitions of one of these or of up to four characters.
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
    if (COMMON.has(folded) || COMMON.has(part)) return 'The password is one of the most common ones.';
    if (isSequence(folded) || (!isShort(part) && isSequence(part)))
      return 'The password must not be a sequence of characters.';
    if (isShort(part) && part.length * 2 <= folded.length)
      return 'The password must not repeat a few characters.';
    return undefined;
  }
}

/** The shortest prefix that gives the text if it is repeated and truncated. The whole text if nothing repeats. */
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
