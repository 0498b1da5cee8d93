import { TransientError, isTransient, sqlStateOf } from '../common/transient-error.js';

/**
 * A transient database failure (no connection, timeout, deadlock, full disk, too many waiting callers). The statement may or may not have
 * been executed.
 */
export class DatabaseUnavailable extends TransientError {
  constructor(cause: unknown) {
    super('the database is unavailable', { cause });
  }
}

/** True if PostgreSQL refused the statement for a permanent reason, such as a constraint. The connection is healthy. */
export function isStatementError(error: unknown): boolean {
  return sqlStateOf(error) !== undefined && !isTransient(error);
}

/**
 * True if PostgreSQL answered that it did not execute the statement, for any reason but a timeout or a shutdown. Triggers of another
 * application may give any reason, including transient ones.
 */
export function isRefusal(error: unknown): boolean {
  const state = sqlStateOf(error instanceof DatabaseUnavailable ? error.cause : error);
  return state !== undefined && !/^(?:08|57)/.test(state);
}

/** True if PostgreSQL rolled back because of another transaction (SQLSTATE 40001 and 40P01). Nothing of this one was committed. */
export function isConflict(error: unknown): boolean {
  const state = sqlStateOf(error instanceof DatabaseUnavailable ? error.cause : error);
  return state === '40001' || state === '40P01';
}

/** The name of the violated constraint if `error` is a unique violation (SQLSTATE 23505). */
export function violatedUnique(error: unknown): string | undefined {
  if (sqlStateOf(error) !== '23505') return undefined;
  return (error as { constraint?: string }).constraint;
}
