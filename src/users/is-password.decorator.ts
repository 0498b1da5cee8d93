import { ValidateBy } from 'class-validator';
import { PASSWORD_MAX_LENGTH, normalisePassword } from './password-policy.js';

/** Twice decomposed the longest password is still shorter; nothing longer is normalised. */
const RAW_LIMIT = 4 * PASSWORD_MAX_LENGTH;

function isPassword(value: unknown): boolean {
  if (typeof value !== 'string' || value === '' || value.length > RAW_LIMIT) return false;
  return Array.from(normalisePassword(value)).length <= PASSWORD_MAX_LENGTH;
}

/** A string that could be a password: 1 to 256 characters, counted as it is compared (NFC), so that none is locked out. */
export const IsPassword = () =>
  ValidateBy({
    name: 'isPassword',
    validator: {
      validate: isPassword,
      defaultMessage: (context) =>
        `${context?.property} must be a string of 1 to ${PASSWORD_MAX_LENGTH} characters`,
    },
  });
