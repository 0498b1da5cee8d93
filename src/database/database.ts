import { Injectable } from '@nestjs/common';
import type { ClientConfig, Pool, PoolClient, QueryResultRow } from 'pg';
import { DataSource } from 'typeorm';
import { isTransient } from '../common/transient-error.js';
import type { DatabaseEndpoint } from './trust/database-endpoint.js';
import { DatabaseUnavailable, isConflict, isStatementError } from './database.errors.js';
import { VerifiedClient } from './trust/verified-client.js';
import type { Distrust } from './trust/trusted-database.js';

/** Runs SQL. Values are always parameters; the statement's text must be constant, it is prepared once per connection. */
export interface Sql {
  query<Row extends QueryResultRow>(text: string, values?: readonly unknown[]): Promise<Row[]>;
}

/** If more callers than this wait for a connection, further ones are refused at once. */
const MAX_WAITING = 500;

/** Statement text → name, so that each connection parses a statement once. Bounded by the number of statements in the code. */
const names = new Map<string, string>();

function nameOf(text: string): string {
  let name = names.get(text);
  if (name === undefined) {
    name = `s${names.size}`;
    names.set(text, name);
  }
  return name;
}

/**
 * Runs SQL on the pool that TypeORM opened, one round trip per statement.
 *
 * Throws {@link DatabaseUnavailable} for transient errors (no connection, timeout, shutdown, deadlock, full disk), within the pool's
 * timeouts. Any other error comes from the statement itself.
 */
@Injectable()
export class Database implements Sql {
  private readonly pool: Pool;
  private readonly endpoint: DatabaseEndpoint;

  constructor(dataSource: DataSource) {
    this.pool = (dataSource.driver as unknown as { master: Pool }).master;
    this.endpoint = (this.pool.options as unknown as { endpoint: DatabaseEndpoint }).endpoint;
  }

  /** The URL of the database, with its first host. It may contain a password. */
  get url(): string {
    return this.endpoint.url;
  }

  /** Connections of the pool, the most that it opens, and callers that wait for one. */
  get poolUse(): {
    readonly busy: number;
    readonly idle: number;
    readonly waiting: number;
    readonly max: number;
  } {
    const { totalCount, idleCount: idle, waitingCount: waiting, options } = this.pool;
    return { busy: totalCount - idle, idle, waiting, max: options.max };
  }

  /** Why the last new connection was refused; undefined if it was trusted. */
  get distrust(): Distrust | undefined {
    return this.endpoint.trust.distrust;
  }

  /** A connection outside the pool. It is not open yet, and is verified like those of the pool. */
  ownClient(settings: ClientConfig): VerifiedClient {
    return new VerifiedClient({ ...settings, endpoint: this.endpoint });
  }

  /**
   * Closes the idle connections. Call it after another connection to the database has failed: these may be dead too, and a caller would
   * wait for the timeout. The pool opens new ones when necessary.
   */
  dropIdle(): void {
    for (let left = this.pool.idleCount; left > 0; left -= 1) {
      this.pool.connect().then(
        (client) => client.release(true),
        () => undefined,
      );
    }
  }

  async query<Row extends QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return this.withClient((client) => run<Row>(client, text, values));
  }

  /** Runs a statement without preparing it. For a rare statement whose best plan depends on its values. */
  async queryUnprepared<Row extends QueryResultRow>(
    text: string,
    values: readonly unknown[],
  ): Promise<Row[]> {
    return this.withClient(async (client) => (await client.query<Row>(text, values as unknown[])).rows);
  }

  /**
   * Commits if `work` returns, and rolls back if it throws. A refusal that must change something is therefore a returned value, never an
   * exception. If COMMIT gets no answer, the outcome is unknown: throws {@link DatabaseUnavailable}.
   *
   * After a deadlock or a serialization failure PostgreSQL has rolled everything back, and `work` runs once more. So `work` must change
   * nothing but the database.
   */
  async transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    try {
      return await this.runTransaction(work);
    } catch (error) {
      if (!isConflict(error)) throw error;
      return this.runTransaction(work);
    }
  }

  private runTransaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.withClient(async (client) => {
      await client.query('BEGIN');
      try {
        const result = await work({ query: (text, values = []) => run(client, text, values) });
        await client.query('COMMIT');
        return result;
      } catch (error) {
        if (!isTransient(error)) await client.query('ROLLBACK');
        throw error;
      }
    });
  }

  /**
   * Runs `work` on one connection, without a transaction. If `work` succeeds, the connection goes back to the pool with everything that
   * `work` has set in its session, so `work` must release its locks. If it throws, the connection is closed, which releases them. For
   * long work with few concurrent callers.
   */
  async session<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.withClient(
      (client) => work({ query: (text, values = []) => run(client, text, values) }),
      () => true,
    );
  }

  /**
   * Runs `work` with a connection of the pool. If `work` succeeds, the connection goes back to the pool. If it throws, `mustClose` decides
   * whether the connection is closed or goes back.
   */
  private async withClient<T>(
    work: (client: PoolClient) => Promise<T>,
    mustClose: (error: unknown) => boolean = isBroken,
  ): Promise<T> {
    const client = await this.connect();
    try {
      const result = await work(client);
      client.release();
      return result;
    } catch (error) {
      throw releaseAfter(client, error, mustClose(error));
    }
  }

  private async connect(): Promise<PoolClient> {
    if (this.pool.waitingCount >= MAX_WAITING)
      throw new DatabaseUnavailable(new Error('too many callers waiting'));
    try {
      for (;;) {
        const client = await this.pool.connect();
        if ((client as PoolClient & VerifiedClient).isTrusted) return client;
        client.release(true);
      }
    } catch (error) {
      throw new DatabaseUnavailable(error);
    }
  }
}

/** Returns a connection to the pool after an error, or closes it. Returns the error to throw. */
function releaseAfter(client: PoolClient, error: unknown, close: boolean): unknown {
  client.release(close);
  return isBroken(error) && !(error instanceof DatabaseUnavailable) ? new DatabaseUnavailable(error) : error;
}

/** Whether the state of the connection is unknown. A connection that only rejected a statement is still good. */
function isBroken(error: unknown): boolean {
  return isTransient(error) || (isDatabaseError(error) && !isStatementError(error));
}

function isDatabaseError(error: unknown): boolean {
  return error instanceof Error && 'severity' in error;
}

async function run<Row extends QueryResultRow>(
  client: PoolClient,
  text: string,
  values: readonly unknown[],
): Promise<Row[]> {
  const result = await client.query<Row>({ name: nameOf(text), text, values: values as unknown[] });
  return result.rows;
}
