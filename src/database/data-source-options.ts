import { join } from 'node:path';
import type { DataSourceOptions, Logger } from 'typeorm';
import { MIGRATIONS_TABLE } from './schema/installation.js';
import { MIGRATIONS_FOLDER } from './schema/migration-names.js';
import { DatabaseEndpoint } from './trust/database-endpoint.js';
import { CONNECT_TIMEOUT_MS, VerifiedClient } from './trust/verified-client.js';

/**
 * Connections that one node may open, if DATABASE_POOL_SIZE is unset. The sum over all nodes must stay below PostgreSQL's
 * `max_connections`.
 */
export const DEFAULT_POOL_SIZE = 20;

/** Connections that a node or a worker needs. */
export const MIN_POOL_SIZE = 5;

/** A logger that keeps TypeORM from printing the error of a migration. TypeORM also throws it, and the caller reports it. */
const SILENT: Logger = {
  logQuery: () => undefined,
  logQueryError: () => undefined,
  logQuerySlow: () => undefined,
  logSchemaBuild: () => undefined,
  logMigration: () => undefined,
  log: () => undefined,
};

/** The pool size of each worker: its share of DATABASE_POOL_SIZE, but at least {@link MIN_POOL_SIZE}. */
export function poolSizeOf(workers: number, databasePoolSize: number): number {
  return Math.max(MIN_POOL_SIZE, Math.floor(databasePoolSize / workers));
}

/** How a process uses the database. */
export interface DatabaseSettings {
  /** The schema of the tables. */
  readonly schema?: string;
  readonly poolSize?: number;
  readonly onPoolError?: (error: Error) => void;
}

/** Pool options that verify each connection when it opens. */
export function verifiedConnections(endpoint: DatabaseEndpoint): {
  Client: typeof VerifiedClient;
  endpoint: DatabaseEndpoint;
} {
  return { Client: VerifiedClient, endpoint };
}

/**
 * How every part of Tandem connects to PostgreSQL. Each connection is verified, see {@link VerifiedClient}. Timeouts: 2 s for a
 * connection, 3 s for a lock, 4 s for a statement on the server and 4.5 s for its answer. So a dead network link causes an error too, and
 * a request that waits for it is answered within the 5 s that a recovery may take.
 */
export function dataSourceOptions(
  url: string,
  { schema, poolSize = DEFAULT_POOL_SIZE, onPoolError = () => {} }: DatabaseSettings = {},
): DataSourceOptions {
  const endpoint = new DatabaseEndpoint(url, schema);
  return {
    type: 'postgres',
    url: endpoint.url,
    migrations: [join(MIGRATIONS_FOLDER, '*.{ts,js}')],
    migrationsTableName: MIGRATIONS_TABLE,
    migrationsTransactionMode: 'each',
    logger: SILENT,
    poolSize,
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    applicationName: 'tandem',
    // An idle client that loses its connection emits an error. Without a handler, the process would exit.
    poolErrorHandler: onPoolError,
    extra: {
      ...verifiedConnections(endpoint),
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
