import { DataSource } from 'typeorm';
import type { DataSourceOptions, QueryRunner } from 'typeorm';

/** Any constant does, as long as all nodes use the same. */
const MIGRATION_LOCK = 7_264_001;

/**
 * Applies the pending migrations, over connections of its own: a migration may take longer than any request. Of several
 * nodes that start at once one does it, the others wait for it before they even look: to look makes TypeORM's table.
 * The lock is the session's, so it goes with the node that dies.
 */
export async function migrate(dataSource: DataSource): Promise<void> {
  const own = await new DataSource({
    ...dataSource.options,
    extra: { keepAlive: true },
  } as DataSourceOptions).initialize();
  try {
    const runner = own.createQueryRunner();
    await waitForLock(runner);
    await own.runMigrations();
    await runner.query(`SELECT pg_advisory_unlock(${MIGRATION_LOCK})`);
    await runner.release();
  } finally {
    await own.destroy();
  }
}

/** Looks again and again: a statement that waits would hold a snapshot, and CREATE INDEX CONCURRENTLY waits for those. */
async function waitForLock(runner: QueryRunner): Promise<void> {
  for (;;) {
    const rows = (await runner.query(`SELECT pg_try_advisory_lock(${MIGRATION_LOCK}) AS got`)) as {
      got: boolean;
    }[];
    if (rows[0]?.got === true) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
