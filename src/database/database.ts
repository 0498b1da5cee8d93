import { Injectable } from '@nestjs/common';
import type { ClientConfig, Pool, PoolClient, QueryResultRow } from 'pg';
import { DataSource } from 'typeorm';
import { isTransient } from '../common/transient-error.js';
import type { DatabaseOrigin } from './trust/database-origin.js';
import { DatabaseUnavailable, isConflict, isStatementError } from './database.errors.js';
import { ProvenClient } from './trust/proven-client.js';
import type { Distrust } from './trust/trusted-database.js';

/** Runs SQL. Values are always parameters; the statement's text must be constant, it is prepared once per connection. */
export interface Sql {
  query<Row extends QueryResultRow>(text: string, values?: readonly unknown[]): Promise<Row[]>;
}

/** Callers beyond this many waiting for a connection are refused at once instead of queueing without end. */
const MAX_WAITING = 500;

/** Statement text → name, so that each connection parses and plans a hot statement once. Bounded by the code's statements. */
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
 * The pool that TypeORM opened, for statements that must be one round trip.
 *
 * Throws {@link DatabaseUnavailable} for whatever passes by itself (no connection, time-out, shutdown, deadlock, full
 * disk), within the pool's connection and statement time-outs; any other error is the statement's own.
 */
@Injectable()
export class Database implements Sql {
  private readonly pool: Pool;
  private readonly origin: DatabaseOrigin;

  constructor(dataSource: DataSource) {
    this.pool = (dataSource.driver as unknown as { master: Pool }).master;
    this.origin = (this.pool.options as unknown as { origin: DatabaseOrigin }).origin;
  }

  /** Why the last connection that was opened could not be used, if it led to a server that must not be believed. */
  get distrust(): Distrust | undefined {
    return this.origin.trust.distrust;
  }

  /** A connection outside the pool, not open yet, that proves itself as those of the pool do. */
  ownClient(settings: ClientConfig): ProvenClient {
    return new ProvenClient({ ...settings, origin: this.origin });
  }

  /**
   * Closes the connections that nobody uses: they may lead nowhere, and whoever got one would wait for its time-out.
   * New ones are opened when needed. To be called when another connection to the database has failed.
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
    const client = await this.connect();
    try {
      const rows = await run<Row>(client, text, values);
      client.release();
      return rows;
    } catch (error) {
      throw released(client, error, isBroken(error));
    }
  }

  /** For a rare statement whose best plan depends on its values: it is planned anew for them each time. */
  async planned<Row extends QueryResultRow>(text: string, values: readonly unknown[]): Promise<Row[]> {
    return this.withClient(async (client) => (await client.query<Row>(text, values as unknown[])).rows);
  }

  /**
   * Commits what `work` did if it returns, rolls back if it throws. A refusal that must change something is a returned
   * value, never an exception. A failed answer to COMMIT means unknown: it is reported as {@link DatabaseUnavailable}.
   *
   * If PostgreSQL ended it because it and others waited for each other in a circle, all of it is done once more: nothing of it is
   * there, and the others have gone on. So `work` may run twice, and changes nothing but the database.
   */
  async transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    try {
      return await this.once(work);
    } catch (error) {
      if (!isConflict(error)) throw error;
      return this.once(work);
    }
  }

  private once<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
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
   * One connection for all of `work`, without a transaction around it. If `work` throws the connection is closed, so that the end
   * of this session says that its work is over. For work that takes long, of few callers at once.
   */
  async session<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.withClient(
      (client) => work({ query: (text, values = []) => run(client, text, values) }),
      () => true,
    );
  }

  /** After an error that `spoils` it a connection is closed instead of going back to the pool. */
  private async withClient<T>(
    work: (client: PoolClient) => Promise<T>,
    spoils: (error: unknown) => boolean = isBroken,
  ): Promise<T> {
    const client = await this.connect();
    try {
      const result = await work(client);
      client.release();
      return result;
    } catch (error) {
      throw released(client, error, spoils(error));
    }
  }

  private async connect(): Promise<PoolClient> {
    if (this.pool.waitingCount >= MAX_WAITING)
      throw new DatabaseUnavailable(new Error('too many callers waiting'));
    try {
      for (;;) {
        const client = await this.pool.connect();
        if ((client as PoolClient & ProvenClient).isTrusted) return client;
        client.release(true);
      }
    } catch (error) {
      throw new DatabaseUnavailable(error);
    }
  }
}

/** Gives a connection back after an error, or closes it; what is to be thrown. */
function released(client: PoolClient, error: unknown, spoilt: boolean): unknown {
  client.release(spoilt);
  return isBroken(error) && !(error instanceof DatabaseUnavailable) ? new DatabaseUnavailable(error) : error;
}

/** A connection whose state is unknown is closed, one that only refused a statement goes back to the pool. */
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
