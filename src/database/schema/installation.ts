import type { ClientBase } from 'pg';

/** The first migration: a migrations table with this row belongs to an installation. */
export const FIRST_MIGRATION = 'Core1795000000000';

/** The TypeORM table of the applied migrations. */
export const MIGRATIONS_TABLE = 'migrations';

/** The state of a schema, for a role that wants its tables there. */
export interface SchemaState {
  readonly owner: string;
  /** The role of the connection owns it, as itself or as the owner of the database (`pg_database_owner`). */
  readonly mine: boolean;
  /** Other roles that may create objects in it. */
  readonly creators: readonly string[];
  /** Names of the tables, views and sequences in it. */
  readonly relations: readonly string[];
  /** Names of the functions, enumerated types and domains in it. */
  readonly others: readonly string[];
}

const STATE = `
  SELECT o.rolname AS owner,
    n.nspowner = me.oid OR (o.rolname = 'pg_database_owner' AND d.datdba = me.oid) AS mine,
    ARRAY (SELECT DISTINCT coalesce(quote_ident(g.rolname), 'PUBLIC')
      FROM aclexplode(n.nspacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
      WHERE a.privilege_type = 'CREATE' AND a.grantee NOT IN (n.nspowner, me.oid) ORDER BY 1) AS creators,
    ARRAY (SELECT c.relname::text FROM pg_class c
      WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND NOT EXISTS (SELECT 1 FROM pg_depend p
          WHERE p.classid = 'pg_class'::regclass AND p.objid = c.oid AND p.deptype IN ('a', 'e', 'i'))
      ORDER BY 1) AS relations,
    ARRAY (
      SELECT p.proname::text FROM pg_proc p WHERE p.pronamespace = n.oid AND NOT EXISTS (
        SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'i'))
      UNION
      SELECT t.typname::text FROM pg_type t WHERE t.typnamespace = n.oid AND t.typtype IN ('e', 'd') AND NOT EXISTS (
        SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
      ORDER BY 1) AS others
  FROM pg_namespace n JOIN pg_roles o ON o.oid = n.nspowner
    JOIN pg_roles me ON me.rolname = current_user
    JOIN pg_database d ON d.datname = current_database()
  WHERE n.nspname = $1`;

/** Reads the state of a schema; undefined if it does not exist. Changes nothing. */
export async function schemaState(client: ClientBase, schema: string): Promise<SchemaState | undefined> {
  return (await client.query<SchemaState>(STATE, [schema])).rows[0];
}

const HAS_MIGRATIONS = `
  SELECT count(*) = 2 AS there FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname = '${MIGRATIONS_TABLE}' AND c.relkind = 'r' AND NOT a.attisdropped
    AND ((a.attname = 'name' AND a.atttypid = 'varchar'::regtype) OR (a.attname = 'timestamp' AND a.atttypid = 'bigint'::regtype))
    AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')`;

/** The names of the applied migrations in a schema. Undefined if it has no such table, or one of another shape, as Laravel's. */
export async function appliedMigrations(client: ClientBase, schema: string): Promise<string[] | undefined> {
  const { rows } = await client.query<{ there: boolean }>(HAS_MIGRATIONS, [schema]);
  if (rows[0]?.there !== true) return undefined;
  const table = `${client.escapeIdentifier(schema)}.${MIGRATIONS_TABLE}`;
  const names = await client.query<{ name: string }>(`SELECT name FROM ${table} ORDER BY "timestamp"`);
  return names.rows.map(({ name }) => name);
}

/** Whether an installation of this service has its tables in the schema. */
export async function isInstalled(client: ClientBase, schema: string): Promise<boolean> {
  return (await appliedMigrations(client, schema))?.includes(FIRST_MIGRATION) === true;
}
