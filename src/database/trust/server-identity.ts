import type { ClientBase, QueryResult } from 'pg';
import { isStatementError } from '../database.errors.js';

/** What a connection says about its server and database. */
export interface ServerIdentity {
  /** The server is in recovery: a standby, or being restored. */
  readonly standby: boolean;
  readonly readOnly: boolean;
  /** The installation's id and the oid of the table that holds it, which a restore changes. Null before the migrations. */
  readonly state: string | null;
  /** The cluster and the database in it, as far as the server tells. */
  readonly place: string;
  /** Increases with each promotion of a standby. 0 if the server does not tell. */
  readonly timeline: number;
  /** When the server was started, on its own clock. */
  readonly started: string;
}

/** The columns `state` and `readOnly` of {@link ServerIdentity}, for a statement that reads `service_state` as `s`. */
export const STATE_COLUMNS = `
  current_setting('transaction_read_only') = 'on' AS "readOnly",
  (to_jsonb(s) ->> 'incarnation') || '/' || s.tableoid AS state`;

const SERVER = `
  pg_is_in_recovery() AS standby, extract(epoch FROM pg_postmaster_start_time())::text AS started,
  (SELECT oid::text FROM pg_database WHERE datname = current_database())`;

/** A standby writes to no timeline: the question would fail there. */
const TIMELINE = `
  CASE WHEN pg_is_in_recovery() THEN 0
    ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer END AS timeline`;

/** From the most informative question to one that every server answers. Some hosted databases forbid questions about the server. */
const QUESTIONS = [
  `SELECT ${STATE_COLUMNS}, ${SERVER} || '/' || c.system_identifier AS place, ${TIMELINE}
   FROM service_state s, pg_control_system() c`,
  `SELECT ${STATE_COLUMNS}, ${SERVER} AS place, 0 AS timeline FROM service_state s`,
  `SELECT current_setting('transaction_read_only') = 'on' AS "readOnly", NULL AS state, ${SERVER} AS place, 0 AS timeline`,
];

/**
 * Applies `settings` to a new connection and asks for its server: one round trip, or more before the migrations and if the server forbids
 * a question. `settings`: a statement without parameters. A refused question undoes it, so it goes with each of them.
 */
export async function identifyServer(client: ClientBase, settings: string): Promise<ServerIdentity> {
  for (const [index, question] of QUESTIONS.entries()) {
    try {
      const results = await client.query(`${settings};\n${question}`);
      const [identity] = (results as unknown as QueryResult<ServerIdentity>[])[1]!.rows;
      if (identity !== undefined) return identity;
    } catch (error) {
      if (!isStatementError(error) || index === QUESTIONS.length - 1) throw error;
    }
  }
  throw new Error('the database does not say which server it is');
}
