import type { FactoryProvider } from '@nestjs/common';
import type { ClientBase } from 'pg';
import { CONFIG, ConfigurationError } from '../../../config/config.js';
import type { Config } from '../../../config/config.js';
import { Database } from '../../../database/database.js';
import type { Sql } from '../../../database/database.js';
import type { TransitionConfig } from '../../transition.settings.js';
import type { StoredCookie } from '../stores/express-session.codec.js';
import { RECORDS, findSessionTable, recordUse } from './find-session-table.js';
import type { PresetSetting } from './find-session-table.js';
import { SessionTable } from './session-table.js';
import type { TableName } from './table-name.js';

/** Finds the table of the sessions and records its use. Throws ConfigurationError if it cannot be used. */
export function openSessionTable(
  database: Database,
  schema: string,
  setting: TableName | undefined,
  preset?: PresetSetting,
): Promise<SessionTable> {
  return database.transaction(async (sql) => {
    const table = (await findSessionTable(sql, schema, setting, preset))!;
    await recordUse(sql, schema, table);
    return table;
  });
}

/** Opens the table after the migrations, before any store is created. */
export const SESSION_TABLE_PROVIDER: FactoryProvider<Promise<SessionTable>> = {
  provide: SessionTable,
  inject: [Database, CONFIG],
  useFactory: (database: Database, config: TransitionConfig) =>
    config.redis === undefined && config.callback === undefined
      ? openSessionTable(database, config.databaseSchema, config.sessionTable, presetIn(config))
      : openSessionRecords(database, config.databaseSchema),
};

/** The table of Tandem that records sessions outside of the database. */
export async function openSessionRecords(database: Database, schema: string): Promise<SessionTable> {
  const table = new SessionTable(schema, RECORDS, true, true);
  await recordUse(database, schema, table);
  return table;
}

/** The preset, and the cookie of its sessions, which a table without JSON does not describe. */
function presetIn(config: TransitionConfig): PresetSetting | undefined {
  if (config.sessionPreset === undefined) return undefined;
  const { sessionCookieDomain: domain, sessionCookiePartitioned: partitioned } = config;
  const cookie: StoredCookie = {
    originalMaxAge: config.sessionExpiry * 1000,
    secure: config.sessionCookieSecure,
    httpOnly: true,
    path: config.sessionCookiePath,
    sameSite: config.sessionCookieSameSite,
    partitioned,
    ...(domain === undefined ? {} : { domain }),
  };
  return { name: config.sessionPreset, cookie };
}

/** Why no start can use the table of the sessions, before anything is changed: a line, or none. */
export async function sessionTableConflicts(client: ClientBase, config: Config): Promise<readonly string[]> {
  const settings = config as TransitionConfig;
  if (settings.redis !== undefined || settings.callback !== undefined) return [];
  const sql: Sql = {
    query: async (text, values = []) => (await client.query(text, values as unknown[])).rows as never,
  };
  await client.query('BEGIN READ ONLY');
  try {
    await findSessionTable(sql, settings.databaseSchema, settings.sessionTable, presetIn(settings));
    return [];
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults;
    throw error;
  } finally {
    await client.query('ROLLBACK');
  }
}
