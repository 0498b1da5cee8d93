import { fileURLToPath } from 'node:url';
import { dirname, join } from 'node:path';
import type { DataSourceOptions, Logger } from 'typeorm';
import { DatabaseEndpoint } from './trust/database-endpoint.js';
import { VerifiedClient } from './trust/verified-client.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Connections that one node may open. The sum over all nodes must stay below PostgreSQL's `max_connections`. */
const POOL_SIZE = 20;

/** Connections that the workers of one supervisor may open together, if each worker gets at least {@link MIN_POOL_SIZE}. */
const SHARED_POOL_SIZE = 64;

/** Connections that a worker needs. */
const MIN_POOL_SIZE = 5;

/** Without this logger, TypeORM prints the error of a migration. It also throws the error, and the caller reports it. */
const SILENT: Logger = {
  logQuery: () => undefined,
  logQueryError: () => undefined,
  logQuerySlow: () => undefined,
  logSchemaBuild: () => undefined,
  logMigration: () => undefined,
  log: () => undefined,
};

/** The pool size of each worker. */
export function poolSizeOf(workers: number): number {
  return Math.max(MIN_POOL_SIZE, Math.min(POOL_SIZE, Math.floor(SHARED_POOL_SIZE / workers)));
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
  onPoolError: (error: Error) => void = () => {},
  poolSize = POOL_SIZE,
): DataSourceOptions {
  const endpoint = new DatabaseEndpoint(url);
  return {
    type: 'postgres',
    url: endpoint.url,
    migrations: [join(root, 'migrations', '*.{ts,js}')],
    migrationsTableName: 'migrations',
    migrationsTransactionMode: 'each',
    logger: SILENT,
    poolSize,
    connectTimeoutMS: 2_000,
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
