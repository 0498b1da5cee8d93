import { fileURLToPath } from 'node:url';
import { dirname, join } from 'node:path';
import type { DataSourceOptions, Logger } from 'typeorm';
import { DatabaseOrigin } from './trust/database-origin.js';
import { ProvenClient } from './trust/proven-client.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Connections that one node may open; with several nodes keep their sum below PostgreSQL's `max_connections`. */
const POOL_SIZE = 20;

/** What the workers of one supervisor may open together, as long as each gets the least that a node needs. */
const SHARED_POOL = 64;
const LEAST_POOL = 5;

/** TypeORM would print the error of a migration as text. It is thrown too, and told by whoever catches it. */
const SILENT: Logger = {
  logQuery: () => undefined,
  logQueryError: () => undefined,
  logQuerySlow: () => undefined,
  logSchemaBuild: () => undefined,
  logMigration: () => undefined,
  log: () => undefined,
};

/** Connections for each of so many workers. */
export function poolSizeOf(workers: number): number {
  return Math.max(LEAST_POOL, Math.min(POOL_SIZE, Math.floor(SHARED_POOL / workers)));
}

/** What makes each connection of a pool prove where it leads to. */
export function provenConnections(origin: DatabaseOrigin): {
  Client: typeof ProvenClient;
  origin: DatabaseOrigin;
} {
  return { Client: ProvenClient, origin };
}

/**
 * How every part of Tandem reaches PostgreSQL. Each connection proves itself, see {@link ProvenClient}. All waiting is bounded: 2 s for a connection, 3 s for a lock, 4 s for a
 * statement on the server and 4.5 s for its answer, so that a black-holed link ends in an error too, and whoever was
 * caught in it is free again within the 5 s that a recovery may take.
 */
export function dataSourceOptions(
  url: string,
  onPoolError: (error: Error) => void = () => {},
  poolSize = POOL_SIZE,
): DataSourceOptions {
  const origin = new DatabaseOrigin(url);
  return {
    type: 'postgres',
    url: origin.url,
    migrations: [join(root, 'migrations', '*.{ts,js}')],
    migrationsTableName: 'migrations',
    migrationsTransactionMode: 'each',
    logger: SILENT,
    poolSize,
    connectTimeoutMS: 2_000,
    applicationName: 'tandem',
    // An idle client that loses its connection emits an error which, unheard, would end the process.
    poolErrorHandler: onPoolError,
    extra: {
      ...provenConnections(origin),
      query_timeout: 4_500,
      keepAlive: true,
      keepAliveInitialDelayMillis: 5_000,
      idleTimeoutMillis: 30_000,
      statement_timeout: 4_000,
      lock_timeout: 3_000,
      idle_in_transaction_session_timeout: 10_000,
    },
  };
}
