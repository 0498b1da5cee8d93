import type { TestDatabase } from './database.js';

const TABLES = ['audit_events', 'audit_seals'];

/** Changes the audit trail with its triggers disabled, as the owner of the tables can. */
export async function tamper(db: Pick<TestDatabase, 'dataSource'>, statement: string): Promise<void> {
  const all = (what: string) => TABLES.map((table) => `ALTER TABLE ${table} ${what} TRIGGER USER`).join('; ');
  // One message is one transaction.
  await db.dataSource.query(`${all('DISABLE')}; ${statement}; ${all('ENABLE')}`);
}
