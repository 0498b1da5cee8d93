import { counted } from '../../../common/text.js';
import type { Config } from '../../../config/config.js';
import { DatabaseEndpoint } from '../../../database/trust/database-endpoint.js';
import { VerifiedClient } from '../../../database/trust/verified-client.js';
import { pendingMigrations } from '../../../database/migrate.js';
import { poolSizeOf } from '../../../database/data-source-options.js';
import { runCheck, fail, ok, warn } from './doctor-check.js';
import type { Finding } from './doctor-check.js';

const MIN_SERVER_VERSION = 150_000;

const SELECT_SERVER = `
  SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS name,
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS connections,
    current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commits,
    extract(epoch FROM clock_timestamp())::float8 * 1000 AS now`;

interface ServerInfo {
  readonly version: number;
  readonly name: string;
  readonly connections: number;
  readonly fsync: string;
  readonly commits: string;
  readonly now: number;
}

/** Checks the database connection and the server settings. Read-only: applies no migration. */
export async function databaseChecks(url: string, config: Config): Promise<Finding[]> {
  const { clockTolerance, databaseSchema } = config;
  return runCheck(
    'database',
    'check DATABASE_URL, and that PostgreSQL is running, accepts the credentials and is writable',
    async () => {
      const client = new VerifiedClient({
        endpoint: new DatabaseEndpoint(url, databaseSchema),
        connectionTimeoutMillis: 5_000,
        query_timeout: 5_000,
      });
      await client.connect();
      try {
        await client.query('SELECT 1');
        const sent = Date.now();
        const { rows } = await client.query<ServerInfo>(SELECT_SERVER);
        const answer = rows[0]!;
        const skew = (answer.now - (sent + Date.now()) / 2) / 1000;
        return [
          version(answer),
          connections(answer, config),
          durability(answer),
          clock(skew, clockTolerance),
          await migrations(url, databaseSchema),
        ];
      } finally {
        await client.end();
      }
    },
  );
}

function version({ version: number, name }: ServerInfo): Finding {
  return number < MIN_SERVER_VERSION
    ? fail('database', `PostgreSQL ${name} is too old`, 'upgrade to PostgreSQL 15 or newer')
    : ok('database', `PostgreSQL ${name}`);
}

function connections({ connections: all }: ServerInfo, { workers, databasePoolSize }: Config): Finding {
  // Each worker needs one more for the revocation feed.
  const each = workers * (poolSizeOf(workers, databasePoolSize) + 1);
  const nodes = Math.floor(all / each);
  const message = `max_connections allows ${counted(nodes, 'node')} with ${counted(each, 'connection')} each`;
  if (nodes < 1) return fail('connections', message, 'raise max_connections');
  return nodes < 2
    ? warn('connections', message, 'raise max_connections: a rolling restart runs one more node')
    : ok('connections', message);
}

function durability({ fsync, commits }: ServerInfo): Finding {
  return fsync === 'on' && commits !== 'off'
    ? ok('durability', 'committed transactions survive a crash')
    : fail(
        'durability',
        `fsync is ${fsync}, synchronous_commit is ${commits}: after a crash, revoked token families are valid again`,
        'turn both on',
      );
}

function clock(skew: number, tolerance: number): Finding {
  const message = `this machine is ${Math.abs(skew).toFixed(2)} s ${skew > 0 ? 'behind' : 'ahead of'} the database`;
  const advice = 'synchronise both with NTP: other services check exp with their own clocks';
  if (Math.abs(skew) > Math.max(tolerance, 1)) return fail('clock', message, advice);
  return Math.abs(skew) > 1 ? warn('clock', message, advice) : ok('clock', message);
}

async function migrations(url: string, schema: string): Promise<Finding> {
  const pending = await pendingMigrations(url, schema);
  return pending.length === 0
    ? ok('migrations', 'no pending migrations')
    : warn(
        'migrations',
        `${pending.length} pending: ${pending.join(', ')}`,
        'take a backup; the next start of a node applies them',
      );
}
