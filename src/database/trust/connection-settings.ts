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
 * SQL for the schema of a product's session table that Tandem uses: the first connect-pg-simple table `session` on the connection's
 * default search path, unless Tandem's schema has a table of that name. `current_schemas` must still be the default.
 */
const productSchema = (schema: string) => `
  SELECT ', ' || quote_ident(n.nspname)
  FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (name, place)
  JOIN pg_namespace n ON n.nspname = path.name
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'session' AND c.relkind IN ('r', 'p')
  WHERE NOT EXISTS (
      SELECT 1 FROM pg_class own JOIN pg_namespace o ON o.oid = own.relnamespace
      WHERE o.nspname = ${pg.escapeLiteral(schema)} AND own.relname = 'session')
    AND 3 = (SELECT count(*) FROM pg_attribute a
      WHERE a.attrelid = c.oid AND NOT a.attisdropped AND (
        (a.attname = 'sid' AND a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype))
        OR (a.attname = 'sess' AND a.atttypid IN ('json'::regtype, 'jsonb'::regtype, 'text'::regtype, 'varchar'::regtype))
        OR (a.attname = 'expire' AND a.atttypid IN ('timestamp'::regtype, 'timestamptz'::regtype))))
  ORDER BY path.place LIMIT 1`;

/**
 * SQL that gives a new connection its search path and timeouts. The search path is Tandem's schema, then `pg_temp`, so that no
 * object of another schema is found by accident. Only if the sessions are in a product's table, the schema of that table comes last.
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
    `set_config('search_path', ${path} || coalesce((${productSchema(schema)}), ''), ${local})`,
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
