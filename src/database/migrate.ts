import { DataSource } from 'typeorm';
import type { DataSourceOptions, QueryRunner } from 'typeorm';
import { tryLockForSession, unlockSession } from './advisory-locks.js';
import { dataSourceOptions, provenConnections } from './data-source-options.js';
import type { DatabaseOrigin } from './trust/database-origin.js';

/**
 * Applies the pending migrations, over connections of its own: a migration may take longer than any request. Of several
 * nodes that start at once one does it, the others wait for it before they even look: to look makes TypeORM's table.
 * The lock is the session's, so it goes with the node that dies.
 */
export async function migrate(dataSource: DataSource): Promise<void> {
  const { origin } = dataSource.options.extra as { origin: DatabaseOrigin };
  const own = await new DataSource({
    ...dataSource.options,
    // What it learns of the database is of a time before the migrations.
    extra: { ...provenConnections(origin.unknown()), keepAlive: true },
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

/** The names of the migrations that the next start applies. Only looks, also into an empty database. */
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

/** Looks again and again: a statement that waits would hold a snapshot, and CREATE INDEX CONCURRENTLY waits for those. */
async function waitForLock(runner: QueryRunner): Promise<void> {
  for (;;) {
    const rows = (await runner.query(tryLockForSession('migrations'))) as { mine: boolean }[];
    if (rows[0]?.mine === true) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
