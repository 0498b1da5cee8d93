import type { Db } from 'pg-boss';
import type { Database } from '../../database/database.js';

/** Lets pg-boss use the node's pool, within all of its bounds. */
export function jobDatabase(database: Database): Db {
  return { executeSql: async (text, values) => ({ rows: await database.foreign(text, values) }) };
}
