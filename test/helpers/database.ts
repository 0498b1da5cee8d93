import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { QueryResultRow } from 'pg';
import { DataSource } from 'typeorm';
import type { DataSourceOptions } from 'typeorm';
import { inject } from 'vitest';
import { dataSourceOptions } from '../../src/database/data-source-options.js';
import { Database } from '../../src/database/database.js';
import { DatabaseEndpoint } from '../../src/database/trust/database-endpoint.js';
import { VerifiedClient } from '../../src/database/trust/verified-client.js';
import { MIGRATED } from './templates.js';

export interface TestDatabase {
  readonly url: string;
  readonly dataSource: DataSource;
  readonly database: Database;
  drop(): Promise<void>;
}

/** Runs statements outside the databases of tests, one after another on one connection. */
export async function onServer<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  return connected(inject('postgresUrl'), work);
}

async function connected<T>(connectionString: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Only a superuser may end an autovacuum that has just come by: it is waited for. */
async function drop(name: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await onServer((server) => server.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== '42501' || attempt === 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

/** Runs statements as another application would: on its own connection, with the default search path. */
export async function asProduct<Row extends QueryResultRow>(url: string, text: string): Promise<Row[]> {
  return connected(url, async (client) => (await client.query<Row>(text)).rows);
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

/** No pooler is in front of the run's PostgreSQL, so no connection is spent on the question. */
class TestEndpoint extends DatabaseEndpoint {
  override isPooled(): Promise<boolean> {
    return Promise.resolve(false);
  }
}

export interface TestDatabaseOptions {
  /** False: an empty database. */
  readonly migrated?: boolean;
  /** The database to copy. */
  readonly template?: string;
  /** Statements of another application that shares the database and was there first. */
  readonly product?: string;
}

/** A fresh database on the run's PostgreSQL. */
export async function createTestDatabase({
  migrated = true,
  template = MIGRATED,
  product,
}: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const name = `t_${randomUUID().replaceAll('-', '')}`;
  await onServer(async (server) => {
    await server.query(`CREATE DATABASE ${name}${migrated ? ` TEMPLATE ${template}` : ''}`);
    // Clients that a test opens itself find the tables too, after those of a product in `public`.
    await server.query(`ALTER DATABASE ${name} SET search_path = public, tandem`);
  });
  const url = new URL(inject('postgresUrl'));
  url.pathname = `/${name}`;
  if (product !== undefined) await asProduct(url.href, product);
  const ours = { ...dataSourceOptions(url.href), migrations: [] };
  const extra = { ...(ours.extra as object), Client: TestClient, endpoint: new TestEndpoint(url.href) };
  const dataSource = await new DataSource({ ...ours, extra } as DataSourceOptions).initialize();
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
