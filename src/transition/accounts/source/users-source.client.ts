import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import { Clock } from '../../../common/clock.js';
import { sqlStateOf } from '../../../common/transient-error.js';
import { CONFIG } from '../../../config/config.js';
import { Database } from '../../../database/database.js';
import { DatabaseEndpoint } from '../../../database/trust/database-endpoint.js';
import { EndpointClient } from '../../../database/trust/endpoint-client.js';
import type { EndpointClientConfig } from '../../../database/trust/endpoint-client.js';
import type { TransitionConfig, UsersSource } from '../../transition.settings.js';
import { SourceFailure } from './source-failure.js';
import { sourceRow } from './source-row.js';
import type { SourceRow } from './source-row.js';
import { limitedTo2Rows } from './source-sql.js';

const POOL_SIZE = 4;
const TIMEOUT_MS = 1_000;

/** The most queries that wait for a connection. */
const MAX_WAITING = 256;

/** Sent after connecting: PgBouncer refuses unknown startup parameters. The zone makes equal times equal texts. */
const SETTINGS = `
  SET default_transaction_read_only = on; SET statement_timeout = ${TIMEOUT_MS}; SET lock_timeout = ${TIMEOUT_MS};
  SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'iso_8601'; SET extra_float_digits = 1`;

/** Errors of the statement itself, after which the connection is as good as before. */
const STATEMENT_ERROR = /^(?:22|42)/;

/** The two queries that find the users of the product. One statement per call, in at most a second. */
@Injectable()
export class UsersSourceClient implements OnApplicationShutdown {
  private readonly logger = new Logger(UsersSourceClient.name);
  private readonly queries: { readonly byName: string; readonly byId: string } | undefined;
  private opened: pg.Pool | undefined;
  private endpoint: DatabaseEndpoint | undefined;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: TransitionConfig,
  ) {
    const { usersSource } = config;
    this.queries = usersSource && {
      byName: limitedTo2Rows(usersSource.byName),
      byId: limitedTo2Rows(usersSource.byId),
    };
  }

  /** Whether the product owns the users. */
  get isSet(): boolean {
    return this.queries !== undefined;
  }

  /** The two queries as they are set. */
  get texts(): UsersSource | undefined {
    return this.config.usersSource;
  }

  /** Returns the user who logs in with this name; undefined if there is none. Throws {@link SourceFailure}. */
  async byName(name: string): Promise<SourceRow | undefined> {
    const text = await this.one('source_by_name', this.queries!.byName, name);
    return text === undefined ? undefined : sourceRow(text);
  }

  /** Returns the user with this id; undefined if there is none. Throws {@link SourceFailure}. */
  async byId(externalId: string): Promise<SourceRow | undefined> {
    const text = await this.textById(externalId);
    return text === undefined ? undefined : sourceRow(text, externalId);
  }

  /** Returns the user with this id as JSON text, for a caller who may have read the same text before. Throws {@link SourceFailure}. */
  textById(externalId: string): Promise<string | undefined> {
    return this.one('source_by_id', this.queries!.byId, externalId);
  }

  /** Runs `work` on a connection of its own, with a longer timeout for each statement. For the command line. */
  async withConnection<T>(timeoutMs: number, work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = new EndpointClient({ ...this.connection(), query_timeout: timeoutMs + 1_000 });
    await client.connect();
    try {
      await client.query(`${SETTINGS}; SET statement_timeout = ${timeoutMs}`);
      return await work(client);
    } finally {
      await client.end();
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.opened?.end();
  }

  private async one(name: string, text: string, value: string): Promise<string | undefined> {
    const rows = await this.run(name, text, value);
    if (rows.length > 1) throw new SourceFailure('the query returned two rows');
    const row = rows[0]?.row;
    if (row === null) throw new SourceFailure('the row has more than 64 KiB');
    return row;
  }

  private async run(name: string, text: string, value: string): Promise<{ row: string | null }[]> {
    const started = this.clock.monotonic();
    const client = await this.connect();
    try {
      const left = Math.max(1, Math.ceil(TIMEOUT_MS - (this.clock.monotonic() - started)));
      // The driver takes a timeout for one query, which its types do not know.
      const query = { name, text, values: [value], query_timeout: left };
      const { rows } = await client.query<{ row: string | null }>(query);
      client.release();
      return rows;
    } catch (error) {
      const state = sqlStateOf(error) ?? '';
      // A server that hangs must not keep the connection.
      client.release(!STATEMENT_ERROR.test(state));
      throw failure(error, state);
    }
  }

  private async connect(): Promise<pg.PoolClient> {
    const pool = (this.opened ??= this.open());
    if (pool.waitingCount >= MAX_WAITING) throw new SourceFailure('too many queries are waiting');
    try {
      return await pool.connect();
    } catch (error) {
      throw failure(error, sqlStateOf(error) ?? '');
    }
  }

  private open(): pg.Pool {
    // Parts of pg-pool that its types do not describe. `onConnect` is awaited before the connection is given out.
    const untyped: object = {
      Client: EndpointClient,
      onConnect: (client: pg.Client) => client.query(SETTINGS),
    };
    const pool = new pg.Pool({
      ...this.connection(),
      max: POOL_SIZE,
      connectionTimeoutMillis: TIMEOUT_MS,
      idleTimeoutMillis: 30_000,
      ...untyped,
    });
    pool.on('error', (error) =>
      this.logger.debug({ err: error }, 'an idle connection to the users source broke'),
    );
    return pool;
  }

  private connection(): EndpointClientConfig {
    const url = this.config.usersSource?.url ?? this.config.databaseUrl ?? this.database.url;
    return {
      endpoint: (this.endpoint ??= new DatabaseEndpoint(url)),
      application_name: 'tandem-users-source',
      connectionTimeoutMillis: TIMEOUT_MS,
      query_timeout: TIMEOUT_MS,
      keepAlive: true,
    };
  }
}

function failure(error: unknown, state: string): SourceFailure {
  const late = state === '57014' || (state === '' && /timeout/i.test(String(error)));
  return new SourceFailure(late ? 'no answer in time' : 'the query failed', { cause: error });
}
