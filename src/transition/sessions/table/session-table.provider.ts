import type { FactoryProvider } from '@nestjs/common';
import type { ClientBase } from 'pg';
import { CONFIG, ConfigurationError } from '../../../config/config.js';
import type { Config } from '../../../config/config.js';
import { Database } from '../../../database/database.js';
import type { Sql } from '../../../database/database.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { RECORDS, findSessionTable, recordUse } from './find-session-table.js';
import { SessionTable } from './session-table.js';
import type { TableName } from './table-name.js';

/** Finds the table of the sessions and records its use. Throws ConfigurationError if it cannot be used. */
export function openSessionTable(
  database: Database,
  schema: string,
  setting: TableName | undefined,
): Promise<SessionTable> {
  return database.transaction(async (sql) => {
    const table = (await findSessionTable(sql, schema, setting))!;
    await recordUse(sql, schema, table);
    return table;
  });
}

/** Opens the table after the migrations, before any store is created. */
export const SESSION_TABLE_PROVIDER: FactoryProvider<Promise<SessionTable>> = {
  provide: SessionTable,
  inject: [Database, CONFIG],
  useFactory: (database: Database, { databaseSchema, sessionTable, redis }: TransitionConfig) =>
    redis === undefined
      ? openSessionTable(database, databaseSchema, sessionTable)
      : openSessionRecords(database, databaseSchema),
};

/** The table of Tandem that records sessions outside of the database. */
export async function openSessionRecords(database: Database, schema: string): Promise<SessionTable> {
  const table = new SessionTable(schema, RECORDS, true, true);
  await recordUse(database, schema, table);
  return table;
}

/** Why no start can use the table of the sessions, before anything is changed: a line, or none. */
export async function sessionTableConflicts(client: ClientBase, config: Config): Promise<readonly string[]> {
  const { databaseSchema, sessionTable, redis } = config as TransitionConfig;
  if (redis !== undefined) return [];
  const sql: Sql = {
    query: async (text, values = []) => (await client.query(text, values as unknown[])).rows as never,
  };
  await client.query('BEGIN READ ONLY');
  try {
    await findSessionTable(sql, databaseSchema, sessionTable);
    return [];
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults;
    throw error;
  } finally {
    await client.query('ROLLBACK');
  }
}
