import { refuse } from '../common/common.errors.js';

/** Throws 400 `validation_failed` for a body in which none of the fields is given. */
export function refuseNothing(body: object, ...fields: readonly string[]): void {
  if (Object.values(body).some((value) => value !== undefined)) return;
  const message = `at least one of ${fields.join(', ')} is needed`;
  throw refuse('validation_failed', { errors: [{ field: 'body', message }] });
}
