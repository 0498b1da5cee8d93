import { ValidateBy } from 'class-validator';
import { refuse } from '../common/common.errors.js';

/** The rules for an external id, for people. */
export const EXTERNAL_ID_RULES =
  'must have 1 to 128 characters of A-Z a-z 0-9 . _ ~ @ : | + = -, and not be -, . or ..';

/** The pattern of an external id, for the OpenAPI description. */
export const EXTERNAL_ID_PATTERN = '^(?!(?:-|\\.|\\.\\.)$)[A-Za-z0-9._~@:|+=-]{1,128}$';

const EXTERNAL_ID = new RegExp(EXTERNAL_ID_PATTERN);

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * The form in which an external id is stored and compared byte for byte: a UUID in lower case, every other id unchanged. Undefined if the
 * text breaks the rules. {@link fitsUser} is the rule for a user who exists.
 */
export function normaliseExternalId(raw: string): string | undefined {
  return EXTERNAL_ID.test(raw) ? canonicalExternalId(raw) : undefined;
}

/** The form in which names of users are compared: a UUID in lower case, every other text unchanged. */
export function canonicalExternalId(text: string): string {
  return isUuid(text) ? text.toLowerCase() : text;
}

/**
 * Returns the {@link normaliseExternalId normalised} id, or throws 400 `validation_failed`. With `userId`, the id must also {@link fitsUser
 * fit} this user.
 */
export function requireExternalId(raw: string, userId?: string): string {
  const externalId = normaliseExternalId(raw);
  const fault =
    externalId === undefined
      ? EXTERNAL_ID_RULES
      : userId !== undefined && !fitsUser(externalId, userId)
        ? "must be the user's own id if it is a UUID"
        : undefined;
  if (externalId !== undefined && fault === undefined) return externalId;
  throw refuse('validation_failed', {
    errors: [{ field: 'external_id', message: `external_id ${fault}` }],
  });
}

/** Validates a text that could be an external id. */
export const IsExternalId = () =>
  ValidateBy({
    name: 'isExternalId',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && normaliseExternalId(value) !== undefined,
      defaultMessage: (context) => `${context?.property} ${EXTERNAL_ID_RULES}`,
    },
  });

/** Whether the user may have this normalised external id. A UUID must be the user's own id: it could name two users otherwise. */
export function fitsUser(externalId: string, userId: string): boolean {
  return !isUuid(externalId) || externalId === userId;
}

/** Whether an id is a UUID, in any letter case. */
export function isUuid(id: string): boolean {
  return UUID.test(id);
}
