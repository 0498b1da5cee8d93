import { ValidateBy } from 'class-validator';

/** The name of a role. A product names its roles itself; see `ROLE_PATTERN`. */
export type Role = string;

/** The role of users to whom nobody gave another one. */
export const DEFAULT_ROLE: Role = 'user';

/** For the OpenAPI description. */
export const ROLE_PATTERN = '^[a-z][a-z0-9_-]{0,31}$';

export const ROLE_RULES = 'must have 1 to 32 characters of a-z 0-9 _ -, and begin with a letter';

const ROLE = new RegExp(ROLE_PATTERN);

export function isRole(value: unknown): value is Role {
  return typeof value === 'string' && ROLE.test(value);
}

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
