import type { TestDatabase } from './database.js';

/** Does to the audit trail what its trigger refuses, as somebody can who owns the database. */
export async function tamper(db: Pick<TestDatabase, 'dataSource'>, statement: string): Promise<void> {
  await db.dataSource.query(`BEGIN; SET LOCAL session_replication_role = replica; ${statement}; COMMIT`);
}
