import { unavailable } from '../../../common/common.errors.js';
import { isStatementError } from '../../../database/database.errors.js';
import type { Sql } from '../../../database/database.js';

/**
 * Runs statements on the table `session`, which may be another application's: its privileges, triggers and constraints may refuse what
 * works on our own tables. That is no fault of the request, so the answer is 503, and the log has the reason.
 */
export async function onSessionTable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isStatementError(error) ? unavailable(error) : error;
  }
}

const CHECK_NOW = `SET CONSTRAINTS ALL IMMEDIATE`;

/** The same for a write within a transaction. Deferred constraints of the table are checked here, not at the commit. */
export function writeSessionTable<T>(sql: Sql, write: () => Promise<T>): Promise<T> {
  return onSessionTable(async () => {
    const result = await write();
    await sql.query(CHECK_NOW);
    return result;
  });
}
