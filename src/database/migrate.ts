import { DataSource } from 'typeorm';
import type { DataSourceOptions, QueryRunner } from 'typeorm';
import { tryLockForSession, unlockSession } from './advisory-locks.js';
import { dataSourceOptions, verifiedConnections } from './data-source-options.js';
import type { DatabaseEndpoint } from './trust/database-endpoint.js';

/**
 * Applies the pending migrations over separate connections, because a migration may take longer than any request. If several nodes start
 * at once, one node migrates and the others wait. They take the lock before they read the list of migrations, because reading it
 * creates TypeORM's table. The lock belongs to the session, so it is released if the node dies.
 */
export async function migrate(dataSource: DataSource): Promise<void> {
  const { endpoint } = dataSource.options.extra as { endpoint: DatabaseEndpoint };
  const own = await new DataSource({
    ...dataSource.options,
    // These connections see the database before the migrations, so they must not decide what is trusted later.
    extra: { ...verifiedConnections(endpoint.withoutTrust()), keepAlive: true },
  } as DataSourceOptions).initialize();
  try {
    const runner = own.createQueryRunner();
    await waitForLock(runner);
    await own.runMigrations();
    await runner.query(unlockSession('migrations'));
    await runner.release();
  } finally {
    await own.destroy();
  }
}

/** The names of the migrations that the next start will apply. Changes nothing, not even in an empty database. */
export async function pendingMigrations(url: string): Promise<string[]> {
  const own = await new DataSource(dataSourceOptions(url)).initialize();
  try {
    const [table] = (await own.query(`SELECT to_regclass('migrations') AS name`)) as {
      name: string | null;
    }[];
    const rows = table?.name ? ((await own.query('SELECT name FROM migrations')) as { name: string }[]) : [];
    const applied = new Set(rows.map(({ name }) => name));
    return own.migrations
      .map((migration) => migration.name ?? migration.constructor.name)
      .filter((name) => !applied.has(name));
  } finally {
    await own.destroy();
  }
}

/** Polls for the lock: a waiting statement would hold a snapshot, and CREATE INDEX CONCURRENTLY waits for snapshots. */
async function waitForLock(runner: QueryRunner): Promise<void> {
  for (;;) {
    const rows = (await runner.query(tryLockForSession('migrations'))) as { mine: boolean }[];
    if (rows[0]?.mine === true) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
