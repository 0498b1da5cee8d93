import type { ClientBase } from 'pg';
import { MIGRATIONS_TABLE, appliedMigrations } from './installation.js';

/**
 * The tables that releases created in the schema of the connection, by the migration that creates them. A table is moved only if its
 * migration was applied: a table of the same name may belong to the product. Later migrations create their tables in DATABASE_SCHEMA.
 */
export const MOVED_TABLES: Readonly<Record<string, readonly string[]>> = {
  Core1795000000000: [
    'service_state',
    'users',
    'refresh_tokens',
    'revocations',
    'signing_keys',
    'audit_events',
    'rate_limits',
  ],
  Sessions1796000000000: ['session_fates'],
  Rollout1796000100000: ['rollout_versions'],
  RolloutPlan1796000110000: ['rollout_plan'],
  Report1796000200000: ['report_buckets', 'scheme_uses', 'unexpected_logouts', 'report_nodes'],
  Notices1796000310000: ['deprecation_notices', 'notice_recipients'],
  Audit1796000500000: ['audit_seals'],
  OAuth1796000700000: ['oauth_clients'],
  LoginFailures1796001300000: ['login_failures'],
  Webhooks1797000350000: ['webhook_events'],
};

/** The functions, by the migration that creates them. */
export const MOVED_FUNCTIONS: Readonly<Record<string, string>> = {
  Sessions1796000000000: 'tandem_session_deleted()',
  Audit1796000500000: 'audit_append_only()',
  SessionUserFunction1796001400000: 'tandem_session_user(text, text[])',
};

/** The comment on a session table that this service has created. */
const OURS = 'made by tandem';

/** TypeORM's table, for the rows of this service. */
const CREATE_MIGRATIONS = (schema: string) => `
  CREATE TABLE ${schema}.${MIGRATIONS_TABLE} (
    id serial NOT NULL PRIMARY KEY, "timestamp" bigint NOT NULL, name character varying NOT NULL)`;

/** A table that the first migration run of an earlier release created, without rows of anybody else. */
const IS_TYPEORM = `
  SELECT array_agg(attname::text ORDER BY attnum) = '{id,timestamp,name}' AS same
  FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`;

/**
 * Moves the tables and functions of an installation to another schema, with the rows of `migrations` in the migrations table. The rows of
 * a product stay there, and so does a session table that this service has not created. Call it in a transaction.
 */
export async function moveInstallation(
  client: ClientBase,
  from: string,
  to: string,
  migrations: readonly string[],
): Promise<void> {
  const [source, target] = [from, to].map((name) => client.escapeIdentifier(name)) as [string, string];
  const applied = new Set(await appliedMigrations(client, from));
  const under = <T>(moved: Readonly<Record<string, T>>) =>
    Object.entries(moved).flatMap(([migration, names]) => (applied.has(migration) ? [names] : []));
  const tables = under(MOVED_TABLES).flat();
  if (await isOurs(client, `${source}.session`)) tables.push('session');
  for (const table of tables) await client.query(`ALTER TABLE ${source}.${table} SET SCHEMA ${target}`);
  for (const name of under(MOVED_FUNCTIONS))
    await client.query(`ALTER FUNCTION ${source}.${name} SET SCHEMA ${target}`);
  // It runs in the transactions of the product and must find the tables at their new place.
  if (applied.has('Sessions1796000000000'))
    await client.query(
      `ALTER FUNCTION ${target}.tandem_session_deleted() SET search_path = ${target}, pg_temp`,
    );
  await moveRows(
    client,
    source,
    target,
    [...applied].filter((name) => migrations.includes(name)),
  );
}

async function isOurs(client: ClientBase, table: string): Promise<boolean> {
  const { rows } = await client.query<{ ours: boolean }>(
    `SELECT obj_description(to_regclass($1), 'pg_class') IS NOT DISTINCT FROM '${OURS}' AS ours`,
    [table],
  );
  return rows[0]!.ours;
}

async function moveRows(
  client: ClientBase,
  source: string,
  target: string,
  names: readonly string[],
): Promise<void> {
  await client.query(CREATE_MIGRATIONS(target));
  const table = `${source}.${MIGRATIONS_TABLE}`;
  await client.query(
    `INSERT INTO ${target}.${MIGRATIONS_TABLE} ("timestamp", name)
     SELECT "timestamp", name FROM ${table} WHERE name = ANY ($1::text[]) ORDER BY "timestamp", name`,
    [names],
  );
  await client.query(`DELETE FROM ${table} WHERE name = ANY ($1::text[])`, [names]);
  const left = await client.query(`SELECT 1 FROM ${table} LIMIT 1`);
  const shape = await client.query<{ same: boolean }>(IS_TYPEORM, [table]);
  if (left.rows.length === 0 && shape.rows[0]!.same) await client.query(`DROP TABLE ${table}`);
}
