/** Something that the service depends on did not answer. Trying again later can help, so a client gets 503. */
export class TransientError extends Error {}

/** SQLSTATE classes and codes that mean "not now" rather than "never" (PostgreSQL, Appendix A). */
const TRANSIENT_STATES = /^(?:08|53|57|58)|^(?:25006|25P03|40001|40P01|55P03|XX000|XX001|XX002)$/;

const SQLSTATE = /^[0-9A-Z]{5}$/;

const NETWORK = /^(?:ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT|EACCES)/;

/** Messages that node-postgres sends without a code when a connection breaks, a timeout expires or the pool is exhausted. */
const DRIVER = /timeout|terminated|not queryable|closed|Cannot use a pool|server login|SASL|Connection/i;

/** The `code` of an error that is a SQLSTATE; undefined for every other error. */
export function sqlStateOf(error: unknown): string | undefined {
  const code = codeOf(error);
  return code !== undefined && SQLSTATE.test(code) && !NETWORK.test(code) ? code : undefined;
}

/** Whether the error passes by itself: the network, the connection, a timeout, or a server that is shutting down or full. */
export function isTransient(error: unknown): boolean {
  if (error instanceof TransientError) return true;
  const code = codeOf(error);
  if (code !== undefined) return NETWORK.test(code) || (SQLSTATE.test(code) && TRANSIENT_STATES.test(code));
  return error instanceof Error && DRIVER.test(error.message);
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}
