import pg from 'pg';
import { ConfigurationError } from '../../config/config.js';

const TIMEOUT_MS = 2_000;

/** How often the check is repeated: other clients of the pooler may take the connection that proves its mode. */
const ROUNDS = 5;

/** Opens a client of the same database, without any setting. */
export type OpenClient = () => Promise<pg.Client>;

interface Backend extends pg.Client {
  /** The process id that the server, or a pooler in its place, sent at the start of the connection. */
  readonly processID: number;
}

const SHARED =
  'DATABASE_URL leads to a pooler in transaction or statement mode, but Tandem needs a connection of its own: use session mode (PgBouncer: pool_mode = session), or connect to PostgreSQL directly';

/** How to open clients with a short timeout. */
export function plainClient(
  config: pg.ClientConfig,
  host: object | undefined,
  timeoutMs = TIMEOUT_MS,
): OpenClient {
  return async () => {
    const client = new pg.Client({
      ...config,
      application_name: 'tandem-probe',
      connectionTimeoutMillis: timeoutMs,
      query_timeout: timeoutMs,
    });
    client.on('error', () => undefined);
    Object.assign(client, host);
    try {
      await client.connect();
    } catch (error) {
      client.end().catch(() => undefined);
      throw error;
    }
    return client;
  };
}

/**
 * Returns whether a pooler such as PgBouncer is between this process and PostgreSQL. Throws {@link ConfigurationError} if it gives a
 * connection to another client after each transaction or statement: locks, notifications and settings of a session would not work, and
 * the settings would change the sessions of other applications. This check changes no setting.
 *
 * A pooler sends its own process id at the start of a connection. The server's id of one client never changes in session mode. In
 * transaction mode, a second client that begins a transaction takes the server connection of the first one.
 */
export async function requireSessionMode(open: OpenClient): Promise<boolean> {
  const first = (await open()) as Backend;
  try {
    const backend = await backendOf(first);
    if (backend === first.processID) return false;
    for (let round = 1; round <= ROUNDS; round += 1) {
      if (await isShared(first, backend, open)) throw new ConfigurationError([SHARED]);
    }
    return true;
  } finally {
    first.end().catch(() => undefined);
  }
}

async function isShared(first: pg.Client, backend: number, open: OpenClient): Promise<boolean> {
  const second = await open();
  try {
    await second.query('BEGIN');
    return (await backendOf(second)) === backend || (await backendOf(first)) !== backend;
  } catch (error) {
    // In statement mode, PgBouncer refuses BEGIN and says so.
    if (/statement pooling/i.test((error as Error).message)) return true;
    if (/timeout/i.test((error as Error).message)) throw tooFew(1, 2);
    throw error;
  } finally {
    second.end().catch(() => undefined);
  }
}

async function backendOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]!.pid;
}

/**
 * Counts how many of the `wanted` connections the pooler gives at once, by opening them all. Throws {@link ConfigurationError} if they are
 * fewer than `needed`.
 */
export async function requireConnections(open: OpenClient, needed: number, wanted: number): Promise<number> {
  const clients: pg.Client[] = [];
  const tried = await Promise.allSettled(
    Array.from({ length: wanted }, async () => {
      const client = await open();
      clients.push(client);
      await client.query('SELECT 1');
    }),
  );
  await Promise.allSettled(clients.map((client) => client.end()));
  const given = tried.filter(({ status }) => status === 'fulfilled').length;
  if (given < needed) throw tooFew(given, needed);
  return given;
}

function tooFew(given: number, needed: number): ConfigurationError {
  return new ConfigurationError([
    `DATABASE_POOL_SIZE needs ${needed} connections, but the pooler of DATABASE_URL allows only ${given}: raise its pool size (PgBouncer: default_pool_size), or lower DATABASE_POOL_SIZE`,
  ]);
}
