import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { QueryResultRow } from 'pg';
import { DataSource } from 'typeorm';
import type { DataSourceOptions } from 'typeorm';
import { inject } from 'vitest';
import { dataSourceOptions } from '../../src/database/data-source-options.js';
import { Database } from '../../src/database/database.js';
import { VerifiedClient } from '../../src/database/trust/verified-client.js';

export interface TestDatabase {
  readonly url: string;
  readonly dataSource: DataSource;
  readonly database: Database;
  drop(): Promise<void>;
}

async function onServer(sql: string): Promise<void> {
  const server = await new DataSource({ type: 'postgres', url: inject('postgresUrl') }).initialize();
  try {
    await server.query(sql);
  } finally {
    await server.destroy();
  }
}

/** Only a superuser may end an autovacuum that has just come by: it is waited for. */
async function drop(name: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await onServer(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    } catch (error) {
      if ((error as { code?: string }).code !== '42501' || attempt === 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

/** Runs statements as another application would: on its own connection, with the default search path. */
export async function asProduct<Row extends QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

/** Statements of tests find the tables of a product too, after those of this service. Nodes do not. */
class TestClient extends VerifiedClient {
  override connect(): Promise<pg.Client>;
  override connect(callback: (error?: Error) => void): void;
  override connect(callback?: (error?: Error) => void): Promise<pg.Client> | void {
    const connecting = super.connect().then(async (client) => {
      await this.query('SET search_path = tandem, pg_temp, public');
      return client;
    });
    if (callback === undefined) return connecting;
    connecting.then(
      () => callback(),
      (error: Error) => callback(error),
    );
  }
}

/**
 * A fresh, migrated (or with `migrated: false` an empty) database on the run's PostgreSQL. `product`: statements of another application
 * that shares the database and was there first.
 */
export async function createTestDatabase({
  migrated = true,
  product,
}: { migrated?: boolean; product?: string } = {}): Promise<TestDatabase> {
  const name = `t_${randomUUID().replaceAll('-', '')}`;
  await onServer(`CREATE DATABASE ${name}${migrated ? ' TEMPLATE tandem_template' : ''}`);
  // Clients that a test opens itself find the tables too, after those of a product in `public`.
  await onServer(`ALTER DATABASE ${name} SET search_path = public, tandem`);
  const url = new URL(inject('postgresUrl'));
  url.pathname = `/${name}`;
  if (product !== undefined) await asProduct(url.href, product);
  const options = dataSourceOptions(url.href);
  const extra = { ...(options.extra as object), Client: TestClient };
  const dataSource = await new DataSource({ ...options, extra } as DataSourceOptions).initialize();
  return {
    url: url.href,
    dataSource,
    database: new Database(dataSource),
    async drop() {
      if (dataSource.isInitialized) await dataSource.destroy();
      await drop(name);
    },
  };
}
