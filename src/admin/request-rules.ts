import { ValidateIf } from 'class-validator';
import { refuse } from '../common/common.errors.js';

/** The field may be absent, but not null. */
export const IfGiven = () => ValidateIf((_, value: unknown) => value !== undefined);

/** The format of ids in admin requests. */
export const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
export const UUID_MESSAGE = { message: '$property must be a UUID' };

/** Throws 400 `validation_failed` if the body has none of the fields. */
export function requireAnyOf(body: object, ...fields: readonly string[]): void {
  if (Object.values(body).some((value) => value !== undefined)) return;
  const message = `at least one of ${fields.join(', ')} is required`;
  throw refuse('validation_failed', { errors: [{ field: 'body', message }] });
}
