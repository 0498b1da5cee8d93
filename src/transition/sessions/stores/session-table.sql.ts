import { unavailable } from '../../../common/common.errors.js';
import { isStatementError } from '../../../database/database.errors.js';
import type { Sql } from '../../../database/database.js';
import { HELD_USER } from '../table/session-table.js';
import type { SessionTable } from '../table/session-table.js';

/**
 * SQL for a time in milliseconds. `expire` has no time zone: PostgreSQL uses the one of the connection, as it does for connect-pg-simple.
 */
export const milliseconds = (time: string) => `(extract(epoch FROM ${time}) * 1000)::float8`;

/** SQL: the session `s` with the link `f`, which may be missing, has neither expired nor been revoked. */
export const IS_LIVE = `
  s.expire > clock_timestamp() AND f.ended_at IS NULL AND (f.ends_at IS NULL OR f.ends_at > clock_timestamp())`;

/** The form of a user's id as text. Products may write it in capitals (RFC 9562, section 4). */
const UUID = `'^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'`;

/**
 * SQL for what the column `sess` holds at `path` (SESSION_USER_KEY, whose steps are safe in SQL), as text; NULL if the session names no
 * user. It never fails, for any content and type of the column: see the migration that makes the function. `schema`: that of the function
 * with a dot, for a connection with another search path.
 */
export function userAt(path: string, schema = '', column = 'sess'): string {
  const steps = path.split('.').map((step) => `"${step}"`);
  return `${schema}tandem_session_user(${column}::text, '{${steps.join(',')}}')`;
}

/** SQL for the user whom a row of {@link SessionTable.rows} names: in a column, or in the JSON at `path`. Never fails. */
export function userIn({ layout }: SessionTable, path: string): string {
  return layout.user === undefined ? userAt(path) : HELD_USER;
}

/** SQL for the user whom a row of the table itself names. Never fails. */
export function userOfRow({ layout }: SessionTable, path: string, schema = ''): string {
  return layout.user ?? userAt(path, schema, layout.sess);
}

/** The expression of the index. Users' ids are case-insensitive; a search for an external_id compares the user itself too. */
export function userKey(user: string): string {
  return `lower(${user})`;
}

/** SQL for the id of the user whom `text` names, by external id, or else by id. UUIDs match in any letter case. */
export function userNamed(text: string): string {
  return `coalesce(
    (SELECT id FROM users WHERE external_id = CASE WHEN ${text} ~* ${UUID} THEN lower(${text}) ELSE ${text} END),
    (SELECT id FROM users WHERE id = CASE WHEN ${text} ~* ${UUID} THEN (${text})::uuid END))`;
}

/**
 * Runs statements on the table of sessions, which may belong to another application. Its privileges, triggers and constraints may refuse
 * what works on our own tables. The client cannot help that, so the answer is 503, and the log has the reason.
 */
export async function onSessionTable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isStatementError(error) ? unavailable(error) : error;
  }
}

const CHECK_NOW = `SET CONSTRAINTS ALL IMMEDIATE`;

/**
 * Writes to the session table in a transaction, with the errors of {@link onSessionTable}. Deferred constraints of the table are checked
 * here, not at the commit.
 */
export function writeSessionTable<T>(sql: Sql, write: () => Promise<T>): Promise<T> {
  return onSessionTable(async () => {
    const result = await write();
    await sql.query(CHECK_NOW);
    return result;
  });
}
