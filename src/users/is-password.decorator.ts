import { ValidateBy } from 'class-validator';
import { PASSWORD_MAX_LENGTH, normalisePassword } from './password-policy.js';

/** The longest password that a login takes: users were imported from systems that allow more than {@link PASSWORD_MAX_LENGTH}. */
export const CHECKED_PASSWORD_MAX_LENGTH = 1024;

/** Decomposed, a password has at most so many UTF-16 units for each character. Nothing longer is normalised. */
const UNITS = 4;

/**
 * A string that could be a password: 1 to `maxLength` characters, counted as it is compared (NFC), so that no user is locked
 * out. Default: the longest that may be set.
 */
export const IsPassword = (maxLength = PASSWORD_MAX_LENGTH) =>
  ValidateBy({
    name: 'isPassword',
    validator: {
      validate: (value: unknown) =>
        typeof value === 'string' &&
        value !== '' &&
        value.length <= UNITS * maxLength &&
        Array.from(normalisePassword(value)).length <= maxLength,
      defaultMessage: (context) => `${context?.property} must be a string of 1 to ${maxLength} characters`,
    },
  });
