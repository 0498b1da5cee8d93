import type { ClientBase, QueryResult } from 'pg';
import { isStatementError } from '../database.errors.js';

/** The identity of the server and the database of a connection. */
export interface ServerIdentity {
  /** Whether the server is in recovery: a standby, or a server that is being restored. */
  readonly standby: boolean;
  readonly readOnly: boolean;
  /** The installation's id and the oid of the table that holds it, which a restore changes. Null before the migrations. */
  readonly installation: string | null;
  /** The cluster and the database in it, as far as the server tells. */
  readonly cluster: string;
  /** Increases with each promotion of a standby. 0 if the server does not tell. */
  readonly timeline: number;
  /** When the server was started, on its own clock. */
  readonly started: string;
}

/** The columns `installation` and `readOnly` of {@link ServerIdentity}, for a query that selects from `service_state` as `s`. */
export const INSTALLATION_COLUMNS = `
  current_setting('transaction_read_only') = 'on' AS "readOnly",
  (to_jsonb(s) ->> 'incarnation') || '/' || s.tableoid AS installation`;

/** The columns `standby`, `started` and `cluster`. `suffix`: SQL that appends to `cluster`. */
const serverColumns = (suffix = '') => `
  pg_is_in_recovery() AS standby, extract(epoch FROM pg_postmaster_start_time())::text AS started,
  (SELECT oid::text FROM pg_database WHERE datname = current_database())${suffix} AS cluster`;

/** The column `timeline`. A standby writes no WAL, so pg_current_wal_lsn() would fail there. */
const TIMELINE = `
  CASE WHEN pg_is_in_recovery() THEN 0
    ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer END AS timeline`;

/**
 * Queries to try in turn, from the most informative one to one that every server supports. Some hosted databases forbid queries about the
 * server.
 */
const QUERIES = [
  `SELECT ${INSTALLATION_COLUMNS}, ${serverColumns("|| '/' || c.system_identifier")}, ${TIMELINE}
   FROM service_state s, pg_control_system() c`,
  `SELECT ${INSTALLATION_COLUMNS}, ${serverColumns()}, 0 AS timeline FROM service_state s`,
  `SELECT current_setting('transaction_read_only') = 'on' AS "readOnly", NULL AS installation, ${serverColumns()}, 0 AS timeline`,
];

/**
 * Applies `settings`, a statement without parameters, to a new connection, and identifies its server. Takes one round trip; more before the
 * migrations, and if the server forbids a query. Sends `settings` together with each query, because a failed query also rolls the settings
 * back.
 */
export async function identifyServer(client: ClientBase, settings: string): Promise<ServerIdentity> {
  for (const [index, query] of QUERIES.entries()) {
    try {
      const results = await client.query(`${settings};\n${query}`);
      const [identity] = (results as unknown as QueryResult<ServerIdentity>[])[1]!.rows;
      if (identity !== undefined) return identity;
    } catch (error) {
      if (!isStatementError(error) || index === QUERIES.length - 1) throw error;
    }
  }
  throw new Error('the database does not say which server it is');
}
