import { isRole } from '@tandem-auth/verifier/token';
import { ValidateBy } from 'class-validator';

export { ROLE_PATTERN, isRole } from '@tandem-auth/verifier/token';

/** The name of a role. A product names its roles itself; see `ROLE_PATTERN`, which the OpenAPI description shows. */
export type Role = string;

/** The role of users to whom nobody gave another one. */
export const DEFAULT_ROLE: Role = 'user';

export const ROLE_RULES = 'must have 1 to 32 characters of a-z 0-9 _ -, and begin with a letter';

/** Validates the name of a role, or with `each` a list of names. */
export const IsRole = (options: { readonly each?: boolean } = {}) =>
  ValidateBy(
    {
      name: 'isRole',
      validator: {
        validate: isRole,
        defaultMessage: (context) => `${context?.property} ${ROLE_RULES}`,
      },
    },
    options,
  );
