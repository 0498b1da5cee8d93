import { setTimeout as delay } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import type { ClientBase } from 'pg';
import { tryLockForSession, unlockSession } from './advisory-locks.js';
import { applyMigrations } from './schema/apply-migrations.js';
import { earlierSchema } from './schema/conflicts.js';
import { appliedMigrations } from './schema/installation.js';
import { migrationNames } from './schema/migration-names.js';
import { prepareSchema } from './schema/prepare-schema.js';
import { DatabaseEndpoint } from './trust/database-endpoint.js';
import { VerifiedClient } from './trust/verified-client.js';

/**
 * Creates the schema, moves the tables of an earlier release into it and applies the pending migrations. It uses separate connections,
 * because a migration may take longer than any request. If several nodes start at once, one node migrates and the others wait. They
 * take the lock before they read the list of migrations, because reading it creates TypeORM's table. The lock belongs to the session,
 * so it is released if the node dies.
 */
export async function migrate(dataSource: DataSource): Promise<void> {
  const { endpoint } = dataSource.options.extra as { endpoint: DatabaseEndpoint };
  const client = connectionTo(endpoint);
  await client.connect();
  try {
    await waitForLock(client);
    const names = await migrationNames();
    await prepareSchema(client, endpoint.schema, names);
    const applied = new Set(await appliedMigrations(client, endpoint.schema));
    // Most starts find nothing to do, and need no connection of TypeORM for that.
    if (names.some((name) => !applied.has(name))) {
      await applyMigrations(dataSource, endpoint, client, names);
    }
    await client.query(unlockSession('migrations'));
  } finally {
    await client.end();
  }
}

/** The names of the migrations that the next start will apply. Changes nothing, not even in an empty database. */
export async function pendingMigrations(url: string, schema?: string): Promise<string[]> {
  const endpoint = new DatabaseEndpoint(url, schema);
  const client = connectionTo(endpoint);
  await client.connect();
  try {
    const current = (await earlierSchema(client, endpoint.schema)) ?? endpoint.schema;
    const applied = new Set(await appliedMigrations(client, current));
    return (await migrationNames()).filter((name) => !applied.has(name));
  } finally {
    await client.end();
  }
}

/** These connections see the database before the migrations, so they must not decide what is trusted later. */
function connectionTo(endpoint: DatabaseEndpoint): VerifiedClient {
  return new VerifiedClient({
    endpoint: endpoint.withoutTrust(),
    application_name: 'tandem',
    keepAlive: true,
  });
}

/** Polls for the lock: a waiting statement would hold a snapshot, and CREATE INDEX CONCURRENTLY waits for snapshots. */
async function waitForLock(client: ClientBase): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ acquired: boolean }>(tryLockForSession('migrations'));
    if (rows[0]?.acquired === true) return;
    await delay(100);
  }
}
