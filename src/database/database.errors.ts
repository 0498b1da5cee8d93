import { UntrustedDatabase } from './trust/trusted-database.js';

/** The database is gone, slow, locked or full: nothing is known of the outcome of the statement, repeating it is safe. */
export class DatabaseUnavailable extends Error {
  constructor(cause: unknown) {
    super('the database did not answer', { cause });
  }
}

/** SQLSTATE classes and codes that say "not now" rather than "never" (PostgreSQL, Appendix A). */
const PASSING = /^(?:08|53|57|58)|^(?:25006|25P03|40001|40P01|55P03|XX000|XX001|XX002)$/;

const NETWORK = /^(?:ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT|EACCES)/;

/** What node-postgres says without a code when a connection breaks, a time-out strikes or the pool has none to give. */
const DRIVER = /timeout|terminated|not queryable|closed|Cannot use a pool|server login|SASL|Connection/i;

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** True if PostgreSQL refused the statement for a reason of its own, such as a constraint: the connection is healthy. */
export function isStatementError(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && !PASSING.test(code) && !NETWORK.test(code);
}

/**
 * True if PostgreSQL answered that it did not do the statement, for whatever reason but a time-out or its own end. Triggers of another
 * application may give any reason, also those that say "not now".
 */
export function isRefusal(error: unknown): boolean {
  const code = codeOf(error instanceof DatabaseUnavailable ? error.cause : error);
  return code !== undefined && /^(?!08|57)[0-9A-Z]{5}$/.test(code) && !NETWORK.test(code);
}

export function isUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseUnavailable || error instanceof UntrustedDatabase) return true;
  const code = codeOf(error);
  if (code !== undefined) return NETWORK.test(code) || (/^[0-9A-Z]{5}$/.test(code) && PASSING.test(code));
  return error instanceof Error && DRIVER.test(error.message);
}

/** True if PostgreSQL rolled back for the sake of another transaction (SQLSTATE 40001 and 40P01): nothing of this one is there. */
export function isConflict(error: unknown): boolean {
  const code = codeOf(error instanceof DatabaseUnavailable ? error.cause : error);
  return code === '40001' || code === '40P01';
}

/** The violated constraint's name, if that is what `error` is about (SQLSTATE 23505). */
export function violatedUnique(error: unknown): string | undefined {
  if (codeOf(error) !== '23505') return undefined;
  return (error as { constraint?: string }).constraint;
}
