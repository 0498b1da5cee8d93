import pg from 'pg';

/** The schema of the tables if DATABASE_SCHEMA is unset. */
export const DEFAULT_SCHEMA = 'tandem';

/** Timeouts of a connection on the server, in milliseconds. */
export interface ConnectionTimeouts {
  readonly statement_timeout?: number;
  readonly lock_timeout?: number;
  readonly idle_in_transaction_session_timeout?: number;
}

const TIMEOUTS = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'] as const;

/** Splits the timeouts from the settings of a client. node-postgres would send them at startup, which PgBouncer refuses. */
export function takeTimeouts(config: pg.ClientConfig): {
  readonly timeouts: ConnectionTimeouts;
  readonly rest: pg.ClientConfig;
} {
  const { statement_timeout, lock_timeout, idle_in_transaction_session_timeout, ...rest } = config;
  const given = { statement_timeout, lock_timeout, idle_in_transaction_session_timeout };
  return {
    timeouts: Object.fromEntries(TIMEOUTS.flatMap((name) => (given[name] ? [[name, given[name]]] : []))),
    rest,
  };
}

/**
 * SQL that gives a new connection its search path and timeouts. The search path is Tandem's schema, then `pg_temp`, so that no
 * object of another schema is found by accident.
 *
 * `scope`: `session`, or `transaction` for a connection that may belong to other clients too.
 */
export function settingsSql(
  schema: string,
  timeouts: ConnectionTimeouts,
  scope: 'session' | 'transaction' = 'session',
): string {
  const local = String(scope === 'transaction');
  const path = pg.escapeLiteral(`${pg.escapeIdentifier(schema)}, pg_temp`);
  const settings = [
    `set_config('search_path', ${path}, ${local})`,
    ...TIMEOUTS.flatMap((name) =>
      timeouts[name] === undefined
        ? []
        : [`set_config('${name}', '${Math.trunc(timeouts[name])}', ${local})`],
    ),
  ];
  return `SELECT ${settings.join(', ')}`;
}

/**
 * The schemas on the default search path of a connection, as a client without Tandem's settings sees them. Several statements: send
 * them without parameters, outside a transaction. The rows are those of the third result.
 */
export const DEFAULT_SCHEMAS = `
  BEGIN; SET LOCAL search_path TO DEFAULT; SELECT unnest(current_schemas(false))::text AS name; COMMIT`;

/** Runs {@link DEFAULT_SCHEMAS}. */
export async function defaultSchemas(client: pg.ClientBase): Promise<string[]> {
  const results = (await client.query(DEFAULT_SCHEMAS)) as unknown as pg.QueryResult<{ name: string }>[];
  return results[2]!.rows.map(({ name }) => name);
}
