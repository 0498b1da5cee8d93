import type { ClientBase } from 'pg';

/** PostgreSQL's own default. */
const DEFAULT_PATH = '"$user", public';

/**
 * Roles that may use Tandem's schema, and own tables outside of it. In the order of precedence: what is set for the role in this database,
 * for the role, for the database, for all.
 */
const OWNERS = `
  SELECT r.rolname AS role, owned.schemas, owned.names, coalesce((
      SELECT substr(setting, length('search_path=') + 1)
      FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS setting
      WHERE s.setdatabase IN (0, d.oid) AND s.setrole IN (0, r.oid) AND setting LIKE 'search\\_path=%'
      ORDER BY s.setrole <> 0 DESC, s.setdatabase <> 0 DESC LIMIT 1), '${DEFAULT_PATH}') AS path
  FROM pg_roles r
  JOIN pg_database d ON d.datname = current_database()
  JOIN pg_roles me ON me.rolname = current_user
  CROSS JOIN LATERAL (
    SELECT array_agg(DISTINCT n.nspname::text) AS schemas,
      array_agg(DISTINCT n.nspname || '.' || c.relname) AS names
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> $1
      AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT 1 FROM pg_depend p
        WHERE p.classid = 'pg_class'::regclass AND p.objid = c.oid AND p.deptype = 'e')
  ) owned
  WHERE pg_has_role(r.oid, me.oid, 'USAGE') AND owned.schemas IS NOT NULL
  ORDER BY r.rolname`;

interface Owner {
  readonly role: string;
  readonly schemas: readonly string[];
  /** The names of the tables, with their schemas. */
  readonly names: readonly string[];
  readonly path: string;
}

/**
 * Roles of the product whose queries would find Tandem's tables instead of their own: the schema comes first on their search path, by its
 * name or because it has the name of the role (`"$user"`). One line for each. Changes nothing.
 */
export async function shadowedRoles(client: ClientBase, schema: string): Promise<string[]> {
  const { rows } = await client.query<Owner>(OWNERS, [schema]);
  return rows
    .filter((owner) => isShadowed(owner, schema))
    .map(
      ({ role, names }) =>
        `DATABASE_SCHEMA: the search path of the role "${role}" has the schema "${schema}" before its own tables (${shown(names)}): name another schema, or set the search_path of the role`,
    );
}

function isShadowed({ role, path, schemas }: Owner, schema: string): boolean {
  const steps = schemasIn(path).map((step) => (step === '$user' ? role : step));
  const place = steps.indexOf(schema);
  return place !== -1 && schemas.some((own) => steps.indexOf(own) > place);
}

/** The names in a value of search_path. A name without quotation marks is in lower case (PostgreSQL, section 4.1.1). */
export function schemasIn(path: string): string[] {
  return [...path.matchAll(/"((?:[^"]|"")*)"|([^\s,"]+)/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain!.toLowerCase(),
  );
}

const MAX_NAMES = 5;

/** Lists at most five names as text. */
export function shown(names: readonly string[]): string {
  const more = names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : '';
  return `${names.slice(0, MAX_NAMES).join(', ')}${more}`;
}
