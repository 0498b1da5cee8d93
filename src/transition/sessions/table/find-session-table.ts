import type { Sql } from '../../../database/database.js';
import { ConfigurationError } from '../../../config/config.js';
import { OWN_TABLE_COMMENT } from '../stores/session.entity.js';
import { CONNECT_PG_SIMPLE, presetLayout } from './session-layout.js';
import type { Column, NamedColumns, SessionLayout } from './session-layout.js';
import { PRESET_FORMATS } from './session-preset.js';
import type { SessionPreset } from './session-preset.js';
import { SessionTable } from './session-table.js';
import { qualifiedName, shownName, tableNameIn } from './table-name.js';
import type { TableName } from './table-name.js';

/** SESSION_PRESET, and what the sessions of a table without JSON say about their cookie. */
export interface PresetSetting {
  readonly name: SessionPreset;
  readonly cookie: object;
}

/** The types of the columns that connect-pg-simple reads and writes. The columns of a preset for the same purpose have the same types. */
export const COLUMN_TYPES: Readonly<Record<string, RegExp>> = {
  sid: /^(?:text|character(?: varying)?)$/,
  sess: /^(?:json|jsonb|text|character varying)$/,
  expire: /^timestamp with(?:out)? time zone$/,
};

/** The types of a column with the user's id. */
const USER_TYPE = /^(?:text|character varying|integer|bigint|uuid)$/;

/** The session table that the first start chose, and the one that the last start used. */
interface Choice {
  readonly chosen: string | null;
  readonly used: string | null;
}

interface Relation {
  readonly schema: string;
  readonly name: string;
  /** `r`: a table, `p`: partitioned, `v`: a view, `m`: a materialized view, `f`: a foreign table. */
  readonly kind: string;
  readonly isOwn: boolean;
  readonly columns: Readonly<Record<string, string>> | null;
  /** The columns that PostgreSQL fills if an INSERT does not. */
  readonly defaults: readonly string[];
  /** Missing privileges. */
  readonly lacking: readonly string[];
  readonly mayEnter: boolean;
  /** The role of this service. */
  readonly role: string;
}

const CHOICE = 'session_table_choice';

const IS_READABLE = `
  SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname = '${CHOICE}' AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')`;

/** Describes a relation and the privileges on it. Without DELETE, sessions are expired instead of deleted. */
const RELATION = `
  SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
    n.nspname = $3 AND obj_description(c.oid, 'pg_class') IS NOT DISTINCT FROM '${OWN_TABLE_COMMENT}' AS "isOwn",
    (SELECT json_object_agg(attname, format_type(atttypid, NULL)) FROM pg_attribute
      WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns,
    ARRAY (SELECT attname::text FROM pg_attribute
      WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND (atthasdef OR attidentity <> '')) AS defaults,
    ARRAY (SELECT wanted FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS wanted
      WHERE NOT has_any_column_privilege(c.oid, wanted)) AS lacking,
    has_schema_privilege(n.oid, 'USAGE') AS "mayEnter", current_user::text AS role
  FROM unnest($1::text[]) WITH ORDINALITY AS path (name, place)
  JOIN pg_namespace n ON n.nspname = path.name
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  ORDER BY path.place LIMIT 1`;

const HAS_LINKS = (schema: string) => `
  SELECT 1 FROM ${qualifiedName(schema, 'session_fates')} f
  JOIN ${qualifiedName(schema, 'refresh_tokens')} t ON t.id = f.family_id AND t.revoked_at IS NULL AND t.expires_at > now()
  WHERE f.ended_at IS NULL LIMIT 1`;

/** Tandem's own table for sessions that are in a store outside of the database. */
export const RECORDS = 'session_records';

const OTHER_STORE = `SESSION_STORE is postgres, but sessions in another store are linked to token families, which would end: set SESSION_STORE`;

const UNKNOWN = `SESSION_TABLE is unset, and Tandem cannot tell which table held the sessions until now: set SESSION_TABLE`;

/**
 * Finds the table of the sessions: the one of SESSION_TABLE (`setting`), or else the one that the library of SESSION_PRESET makes, or else
 * the one that the first start chose. Undefined if there was no start yet and both are unset. Changes nothing. Call it in a transaction:
 * the search path is another one until its end.
 *
 * Throws ConfigurationError, with one line that names the setting, if the table cannot be used.
 */
export async function findSessionTable(
  sql: Sql,
  schema: string,
  named: TableName | undefined,
  preset?: PresetSetting,
): Promise<SessionTable | undefined> {
  const setting = named ?? (preset && { schema: undefined, name: PRESET_FORMATS[preset.name].table });
  const path = await defaultPath(sql);
  const choice = await choiceIn(sql, schema);
  if (setting === undefined) {
    if (choice === undefined) return undefined;
    await requireSameTable(sql, schema, choice);
  }
  const wanted = setting ?? tableNameIn(choice?.chosen);
  if (wanted === undefined) throw new ConfigurationError([UNKNOWN]);
  const values = [wanted.schema === undefined ? path : [wanted.schema], wanted.name, schema];
  const [relation] = await sql.query<Relation & Record<string, unknown>>(RELATION, values);
  const isSet = setting !== undefined;
  const names = preset && relation && columnsOf(relation, preset.name);
  const fault =
    relation === undefined ? missing(wanted, path, isSet) : faultOf(relation, isSet, preset?.name, names);
  const variable =
    named === undefined && preset !== undefined ? `SESSION_PRESET=${preset.name}` : 'SESSION_TABLE';
  if (fault !== undefined) throw new ConfigurationError([`${variable}: ${fault}`]);
  return new SessionTable(
    relation!.schema,
    relation!.name,
    relation!.isOwn,
    false,
    layoutOf(relation!, preset, names),
  );
}

/** The columns of the preset that the table has; the default name of one that it lacks. */
function columnsOf({ columns }: Relation, preset: SessionPreset): NamedColumns {
  const { sid, expire, sess, user } = PRESET_FORMATS[preset];
  const first = (names: readonly string[]) =>
    names.find((name) => columns?.[name] !== undefined) ?? names[0]!;
  return {
    sid: first(sid),
    expire: first(expire),
    sess: sess && first(sess),
    user: user && first(user),
  };
}

function layoutOf(
  { columns, defaults }: Relation,
  preset: PresetSetting | undefined,
  names: NamedColumns | undefined,
): SessionLayout {
  if (preset === undefined || names === undefined) return CONNECT_PG_SIMPLE;
  const known: Record<string, Column> = {};
  for (const [name, type] of Object.entries(columns!))
    known[name] = { type, hasDefault: defaults.includes(name) };
  return presetLayout(names, known, preset.cookie);
}

/** Records the table of this start. */
export async function recordUse(sql: Sql, schema: string, table: SessionTable): Promise<void> {
  await sql.query(`UPDATE ${qualifiedName(schema, CHOICE)} SET used = $1 WHERE used IS DISTINCT FROM $1`, [
    table.qualifiedName,
  ]);
}

async function choiceIn(sql: Sql, schema: string): Promise<Choice | undefined> {
  if ((await sql.query(IS_READABLE, [schema])).length === 0) return undefined;
  const text = `SELECT chosen, used FROM ${qualifiedName(schema, CHOICE)}`;
  return (await sql.query<Choice & Record<string, unknown>>(text))[0];
}

/**
 * Throws if the table is another one than before and sessions are linked. Otherwise, if SESSION_TABLE was forgotten, linked sessions would
 * have no rows, and their families would be revoked.
 */
async function requireSameTable(sql: Sql, schema: string, { chosen, used }: Choice): Promise<void> {
  if (used === null || used === chosen) return;
  if ((await sql.query(HAS_LINKS(schema))).length === 0) return;
  const table = tableNameIn(used)!;
  if (table.name === RECORDS && table.schema === schema) throw new ConfigurationError([OTHER_STORE]);
  const shown = shownName(table);
  throw new ConfigurationError([
    `SESSION_TABLE is unset, but sessions in the table ${shown} are linked to token families, which would end: set SESSION_TABLE=${shown}`,
  ]);
}

/** The default search path of the connection. No object on it can take the place of one of PostgreSQL afterwards. */
async function defaultPath(sql: Sql): Promise<readonly string[]> {
  await sql.query(`SET LOCAL search_path TO DEFAULT`);
  const [row] = await sql.query<{ path: string[] }>(
    `SELECT pg_catalog.current_schemas(false)::pg_catalog.text[] AS path`,
  );
  await sql.query(`SET LOCAL search_path TO pg_catalog, pg_temp`);
  return row!.path;
}

function missing(wanted: TableName, path: readonly string[], isSet: boolean): string {
  const shown = shownName(wanted);
  if (!isSet)
    return `the table ${shown}, which holds the sessions, is missing: name the table that replaces it`;
  if (wanted.schema !== undefined) return `there is no table ${shown} (upper and lower case count)`;
  const searched = path.length === 0 ? 'which is empty' : path.join(', ');
  return `there is no table ${shown} on the search path of the role (${searched}): name its schema too`;
}

/** Why the relation cannot be the table of the sessions. A table that nobody named may lack privileges: the doctor reports them. */
function faultOf(
  relation: Relation,
  isSet: boolean,
  preset: SessionPreset | undefined,
  names: NamedColumns = { sid: 'sid', sess: 'sess', expire: 'expire', user: undefined },
): string | undefined {
  const { kind, columns, lacking, mayEnter, role } = relation;
  const shown = shownName(relation);
  if (kind === 'v' || kind === 'm') return `${shown} is a view: name the table that the view reads`;
  if (kind === 'f') return `${shown} is a foreign table: name a table of this database`;
  for (const [part, name] of Object.entries(names) as [string, string | undefined][]) {
    if (name === undefined) continue;
    const found = columns?.[name];
    if (found === undefined)
      return `the table ${shown} has no column ${name}, as ${preset ?? 'connect-pg-simple'} needs it`;
    if (!(COLUMN_TYPES[part] ?? USER_TYPE).test(found))
      return `the column ${name} of the table ${shown} has the type ${found}`;
  }
  if (!isSet) return undefined;
  if (!mayEnter)
    return `the role "${role}" may not use the schema of the table ${shown}: run GRANT USAGE ON SCHEMA ${shownName({ schema: undefined, name: relation.schema })} TO "${role}"`;
  if (lacking.length === 0) return undefined;
  const privileges = lacking.join(', ');
  return `the role "${role}" may not ${privileges} in the table ${shown}: run GRANT ${privileges} ON ${shown} TO "${role}"`;
}
