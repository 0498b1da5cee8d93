import type { DataSource } from 'typeorm';

/** Any constant does, as long as all nodes use the same. */
const MIGRATION_LOCK = 7_264_001;

/**
 * Applies the pending migrations. Of several nodes that start at once one does it, the others wait for it. The lock is
 * the session's, so it goes with the node that dies; waiting for it is not bounded by the usual statement time-out.
 */
export async function migrate(dataSource: DataSource): Promise<void> {
  if (!(await dataSource.showMigrations())) return;
  const runner = dataSource.createQueryRunner();
  try {
    await runner.query('SET statement_timeout = 0');
    await runner.query('SET lock_timeout = 0');
    await waitForLock(runner);
    await dataSource.runMigrations();
  } finally {
    await runner.query(`SELECT pg_advisory_unlock(${MIGRATION_LOCK})`).catch(() => undefined);
    await runner.query('RESET statement_timeout').catch(() => undefined);
    await runner.query('RESET lock_timeout').catch(() => undefined);
    await runner.release();
  }
}

async function waitForLock(runner: { query(sql: string): Promise<unknown> }): Promise<void> {
  for (;;) {
    const rows = (await runner.query(`SELECT pg_try_advisory_lock(${MIGRATION_LOCK}) AS got`)) as {
      got: boolean;
    }[];
    if (rows[0]?.got === true) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
