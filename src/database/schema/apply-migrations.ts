import { setTimeout as delay } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import type { ClientBase } from 'pg';
import { DataSource } from 'typeorm';
import type { DataSourceOptions } from 'typeorm';
import { sqlStateOf } from '../../common/transient-error.js';
import { verifiedConnections } from '../data-source-options.js';
import type { DatabaseEndpoint } from '../trust/database-endpoint.js';
import { appliedMigrations } from './installation.js';

/**
 * How long a migration waits for a lock on a table. Everybody else who uses the table waits behind it, and the nodes that run must read the
 * feed again before their lease ends.
 */
const LOCK_TIMEOUT_MS = 300;

/** Between two attempts, the nodes that run catch up. */
const PAUSE_MS = 2_000;

/** How long one migration is tried again before the start fails. */
const PATIENCE_MS = 5 * 60_000;

const LOCK_NOT_AVAILABLE = '55P03';

/** The oldest transaction of another connection that uses a table of the schema. */
const OLDEST_USER = `
  SELECT a.pid, a.application_name AS name
  FROM pg_locks l
  JOIN pg_class c ON c.oid = l.relation
  JOIN pg_stat_activity a ON a.pid = l.pid
  WHERE c.relnamespace = to_regnamespace($1) AND l.granted AND l.pid <> pg_backend_pid()
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  ORDER BY a.xact_start LIMIT 1`;

/**
 * Applies the pending ones of the migrations `names`, on connections of its own. A migration may run for as long as it needs, but it does
 * not queue for a lock: if a long transaction such as that of pg_dump keeps a table, the migration is rolled back and tried again. Throws
 * if it still finds no lock after five minutes. `client`: for questions to the database.
 */
export async function applyMigrations(
  { options }: DataSource,
  endpoint: DatabaseEndpoint,
  client: ClientBase,
  names: readonly string[],
): Promise<void> {
  const own = await new DataSource({
    ...options,
    extra: {
      ...verifiedConnections(endpoint.withoutTrust()),
      keepAlive: true,
      lock_timeout: LOCK_TIMEOUT_MS,
    },
  } as DataSourceOptions).initialize();
  const waits = new LockWaits(client, endpoint.schema, names);
  try {
    while (!(await isDone(own, waits))) await delay(PAUSE_MS);
  } finally {
    await own.destroy();
  }
}

/** False if a migration has found a table locked. The migrations before it stay applied. */
async function isDone(own: DataSource, waits: LockWaits): Promise<boolean> {
  try {
    await own.runMigrations();
    return true;
  } catch (error) {
    if (sqlStateOf(error) !== LOCK_NOT_AVAILABLE) throw error;
    await waits.note(error);
    return false;
  }
}

/** Says once which migration waits for whom, and ends the wait when it takes too long. */
class LockWaits {
  private readonly logger = new Logger('Migrations');
  private waiting: string | undefined;
  private since = 0;

  constructor(
    private readonly client: ClientBase,
    private readonly schema: string,
    private readonly names: readonly string[],
  ) {}

  async note(cause: unknown): Promise<void> {
    const applied = new Set(await appliedMigrations(this.client, this.schema));
    const next = this.names.find((name) => !applied.has(name));
    if (next !== this.waiting) {
      this.waiting = next;
      this.since = performance.now();
      this.logger.warn(`the migration ${next} waits until ${await this.holder()} ends`);
    } else if (performance.now() - this.since > PATIENCE_MS) {
      throw new Error(
        `the migration ${next} found a table locked for ${PATIENCE_MS / 60_000} minutes; it waits until ${await this.holder()} ends`,
        { cause },
      );
    }
  }

  private async holder(): Promise<string> {
    const { rows } = await this.client.query<{ pid: number; name: string | null }>(OLDEST_USER, [
      this.client.escapeIdentifier(this.schema),
    ]);
    const [oldest] = rows;
    if (oldest === undefined) return 'the transaction that uses its table';
    return `the transaction of the database process ${oldest.pid} (${oldest.name || 'without a name'})`;
  }
}
