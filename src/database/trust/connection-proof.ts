import type { ClientBase } from 'pg';
import { isStatementError } from '../database.errors.js';

/** What a connection says about the server and the database that it leads to. */
export interface ConnectionProof {
  /** In recovery: a standby, or a server that is being restored. */
  readonly standby: boolean;
  readonly readOnly: boolean;
  /** The installation's id and the table that holds it, which a restore makes anew; null before the migrations. */
  readonly state: string | null;
  /** The cluster and the database in it, as far as the server says. */
  readonly place: string;
  /** Rises with each promotion of a standby; 0 where the server does not say. */
  readonly timeline: number;
  /** When the server was started, by its own clock. */
  readonly started: string;
}

/** The columns of {@link ConnectionProof.state} and `readOnly`, for a statement that reads `service_state` as `s` anyway. */
export const STATE_COLUMNS = `
  current_setting('transaction_read_only') = 'on' AS "readOnly",
  (to_jsonb(s) ->> 'incarnation') || '/' || s.tableoid AS state`;

const SERVER = `
  pg_is_in_recovery() AS standby, extract(epoch FROM pg_postmaster_start_time())::text AS started,
  (SELECT oid::text FROM pg_database WHERE datname = current_database())`;

/** A standby has no timeline that it writes to, and fails when asked for it. */
const TIMELINE = `
  CASE WHEN pg_is_in_recovery() THEN 0
    ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer END AS timeline`;

/** From all that can be asked to what every server answers: some services forbid what is about the server. */
const QUESTIONS = [
  `SELECT ${STATE_COLUMNS}, ${SERVER} || '/' || c.system_identifier AS place, ${TIMELINE}
   FROM service_state s, pg_control_system() c`,
  `SELECT ${STATE_COLUMNS}, ${SERVER} AS place, 0 AS timeline FROM service_state s`,
  `SELECT current_setting('transaction_read_only') = 'on' AS "readOnly", NULL AS state, ${SERVER} AS place, 0 AS timeline`,
];

/** Asks a new connection where it leads to: one round trip, more before the migrations or where the server forbids something. */
export async function proofOf(client: ClientBase): Promise<ConnectionProof> {
  for (const [index, question] of QUESTIONS.entries()) {
    try {
      const { rows } = await client.query<ConnectionProof>(question);
      if (rows[0] !== undefined) return rows[0];
    } catch (error) {
      if (!isStatementError(error) || index === QUESTIONS.length - 1) throw error;
    }
  }
  throw new Error('the database has no answer to what every server can tell');
}
