import type { ClientBase } from 'pg';
import { sqlStateOf } from '../../common/transient-error.js';
import { earlierSchema } from './conflicts.js';
import { moveInstallation } from './move-installation.js';

const DEADLOCK = '40P01';

const MAX_ATTEMPTS = 5;

/**
 * Creates the schema if it is missing, and moves an installation of an earlier release into it: both in one transaction, so that a node
 * which is killed changes nothing. Call it with the migrations lock. `migrations`: the names of all migrations.
 */
export async function prepareSchema(
  client: ClientBase,
  schema: string,
  migrations: readonly string[],
): Promise<void> {
  const from = await earlierSchema(client, schema);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await prepare(client, schema, from, migrations);
    } catch (error) {
      // A node of an earlier release may use the tables at the same time.
      if (sqlStateOf(error) !== DEADLOCK || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

async function prepare(
  client: ClientBase,
  schema: string,
  from: string | undefined,
  migrations: readonly string[],
): Promise<void> {
  await client.query('BEGIN');
  try {
    const there = await client.query(`SELECT 1 FROM pg_namespace WHERE nspname = $1`, [schema]);
    // IF NOT EXISTS would need the privilege to create schemas even if the schema exists.
    if (there.rows.length === 0) await client.query(`CREATE SCHEMA ${client.escapeIdentifier(schema)}`);
    if (from !== undefined) await moveInstallation(client, from, schema, migrations);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}
