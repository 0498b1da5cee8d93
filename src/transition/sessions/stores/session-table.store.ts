import { Injectable } from '@nestjs/common';
import { isRefusal } from '../../../database/database.errors.js';
import { Database } from '../../../database/database.js';
import type { Sql } from '../../../database/database.js';
import { USER_FIELD } from '../table/session-layout.js';
import { HELD_USER, SessionTable } from '../table/session-table.js';

/** The shape of the table of sessions, and what the role of this service may do there. */
export interface SessionTableShape {
  /** `r`: a table, `p`: partitioned, `v`: a view, `f`: a foreign table. */
  readonly kind: string;
  /** Type of each column. */
  readonly columns: Readonly<Record<string, string>>;
  /** Additional columns that need a value in each row. */
  readonly required: readonly string[];
  /** Missing privileges. */
  readonly lacking: readonly string[];
  /** Row-level security applies to us. */
  readonly secured: boolean;
  /** A policy lets us see rows. */
  readonly readable: boolean;
  /** Tables whose rows keep a row here from being deleted. */
  readonly references: readonly string[];
  readonly rules: readonly string[];
}

/** A kind of write, and why the table refuses it. */
export interface RefusedWrite {
  readonly write: 'INSERT' | 'UPDATE' | 'DELETE';
  readonly error: unknown;
}

const DESCRIBE = `
  SELECT c.relkind::text AS kind,
    (SELECT json_object_agg(attname, format_type(atttypid, NULL)) FROM pg_attribute
      WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns,
    ARRAY (SELECT attname::text FROM pg_attribute
      WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef AND attidentity = ''
        AND NOT attname = ANY ($2::text[])) AS required,
    ARRAY (SELECT wanted FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS wanted
      WHERE NOT has_table_privilege(c.oid, wanted)) AS lacking,
    row_security_active(c.oid) AS secured,
    EXISTS (SELECT 1 FROM pg_policy
      WHERE polrelid = c.oid AND polpermissive AND polcmd IN ('r', '*')
        AND (polroles = '{0}' OR EXISTS (SELECT 1 FROM unnest(polroles) AS member WHERE pg_has_role(member, 'USAGE')))) AS readable,
    ARRAY (SELECT DISTINCT conrelid::regclass::text FROM pg_constraint
      WHERE confrelid = c.oid AND contype = 'f' AND confdeltype IN ('a', 'r')) AS references,
    ARRAY (SELECT rulename::text FROM pg_rewrite WHERE ev_class = c.oid AND rulename <> '_RETURN') AS rules
  FROM pg_class c WHERE c.oid = to_regclass($1)`;

const SID = 'tandem: tried and rolled back';

/** In this order: each needs the row that the first one makes. */
function writesIn(table: SessionTable): readonly (readonly [RefusedWrite['write'], string])[] {
  const { qualifiedName, layout } = table;
  const { columns, values } = layout.insertion(
    '$1',
    emptySession(table),
    `(clock_timestamp() + interval '1 minute')`,
  );
  const later = table.stored(`clock_timestamp() + interval '2 minutes'`);
  const where = `WHERE ${layout.sid} = $1 RETURNING ${layout.sid}`;
  return [
    ['INSERT', `INSERT INTO ${qualifiedName} (${columns}) VALUES (${values}) RETURNING ${layout.sid}`],
    ['UPDATE', `UPDATE ${qualifiedName} SET ${layout.expire} = ${later} ${where}`],
    ['DELETE', `DELETE FROM ${qualifiedName} ${where}`],
  ];
}

/** SQL for the JSON of a session. If the table has a column for the user, it needs a user that exists: the one of any row. */
function emptySession({ layout, rows }: SessionTable): string {
  if (layout.user === undefined) return `'{"cookie":{}}'::json`;
  return `json_build_object('${USER_FIELD}', (SELECT ${HELD_USER} FROM ${rows} s LIMIT 1))`;
}

/** Examines the table, which another application may own, without changing it. */
@Injectable()
export class SessionTableStore {
  constructor(
    private readonly database: Database,
    readonly table: SessionTable,
  ) {}

  /** Describes the table; undefined if it does not exist any more. */
  async describe(): Promise<SessionTableShape | undefined> {
    return (
      await this.database.query<SessionTableShape & Record<string, unknown>>(DESCRIBE, [
        this.table.qualifiedName,
        this.table.layout.filled,
      ])
    )[0];
  }

  /** Writes a row as this service does and rolls back, to find what triggers, constraints and policies refuse. */
  async tryWrites(): Promise<RefusedWrite[]> {
    const refused: RefusedWrite[] = [];
    if (!(await this.hasUser())) return refused;
    const undo = new Error('rolled back');
    const tried = this.database.transaction(async (sql) => {
      refused.length = 0;
      for (const [write, text] of writesIn(this.table)) {
        const error = await refusalOf(sql, text);
        if (error !== undefined) refused.push({ write, error });
      }
      throw undo;
    });
    await tried.catch((error: unknown) => {
      if (error !== undo) throw error;
    });
    return refused;
  }

  /** Whether a row can be made. A column for the user may refer to the product's users, of which an empty table names none. */
  private async hasUser(): Promise<boolean> {
    const { layout, rows } = this.table;
    if (layout.user === undefined) return true;
    return (await this.database.query(`SELECT 1 FROM ${rows} s LIMIT 1`)).length > 0;
  }
}

async function refusalOf(sql: Sql, text: string): Promise<unknown> {
  await sql.query('SAVEPOINT tried');
  try {
    const done = await sql.query(text, [SID]);
    await sql.query('SET CONSTRAINTS ALL IMMEDIATE');
    return done.length > 0 ? undefined : new Error('a trigger or a rule discards it');
  } catch (error) {
    if (!isRefusal(error)) throw error;
    await sql.query('ROLLBACK TO SAVEPOINT tried');
    return error;
  }
}
