/** `[schema.]table`. Without a schema, the table is looked up on the search path. */
export interface TableName {
  readonly schema: string | undefined;
  readonly name: string;
}

const PLAIN = String.raw`[A-Za-z_][A-Za-z0-9_$]*`;
const QUOTED = String.raw`"(?:[^"\p{Cc}]|"")+"`;
const NAME = new RegExp(`^(?:(${PLAIN}|${QUOTED})\\.)?(${PLAIN}|${QUOTED})$`, 'u');

/** PostgreSQL cuts longer names off. */
const MAX_BYTES = 63;

/** A name that SQL can show without quotes. */
const LOWER_CASE = /^[a-z_][a-z0-9_$]*$/;

/**
 * Parses `[schema.]table`. The case counts, with and without quotes, as it does in the options `schemaName` and `tableName` of
 * connect-pg-simple. Only names with other characters than ASCII letters, digits, `_` and `$` need quotes. Undefined for any other text.
 */
export function tableNameIn(text: unknown): TableName | undefined {
  if (typeof text !== 'string') return undefined;
  const [, schema, name] = NAME.exec(text) ?? [];
  if (name === undefined) return undefined;
  const parts = [schema, name].map((part) => part && unquoted(part));
  if (parts.some((part) => Buffer.byteLength(part ?? '') > MAX_BYTES)) return undefined;
  return { schema: parts[0], name: parts[1]! };
}

/** The name of a table for SQL, with its schema and in quotes. */
export function qualifiedName(schema: string, name: string): string {
  return `${quoted(schema)}.${quoted(name)}`;
}

/** The name of a table for people, with quotes only if necessary. {@link tableNameIn} parses it. */
export function shownName({ schema, name }: TableName): string {
  const parts = schema === undefined ? [name] : [schema, name];
  return parts.map((part) => (LOWER_CASE.test(part) ? part : quoted(part))).join('.');
}

function unquoted(part: string): string {
  return part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part;
}

/** A name for SQL, in quotes. */
export function quoted(part: string): string {
  return `"${part.replaceAll('"', '""')}"`;
}
