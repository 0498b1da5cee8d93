import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { SERVER_ENVIRONMENT } from '../../src/database/embedded/embedded-process.js';
import { ensureEmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';
import type { EmbeddedServer } from '../../src/database/embedded/embedded-postgres.js';
import { stoppedServer } from './stopped-server.js';

const execute = promisify(execFile);

/** Milliseconds. */
const WITHIN = 60_000;

/** A primary and a hot standby that streams from it: two servers of the embedded PostgreSQL. */
export class ReplicatedDatabase {
  readonly standbyUrl: string;

  private constructor(
    private readonly folder: string,
    private readonly primary: EmbeddedServer,
    private readonly standby: ChildProcess,
    port: number,
  ) {
    const url = new URL(primary.url);
    url.port = String(port);
    this.standbyUrl = url.href;
  }

  static async start(): Promise<ReplicatedDatabase> {
    const { folder, cluster, account, postgres } = await stoppedServer('REPLICATION');
    const copy = join(folder, 'standby');
    await appendFile(join(cluster, 'pg_hba.conf'), 'host replication tandem 127.0.0.1/32 scram-sha-256\n');
    // A copy of the files of a stopped server is a base backup.
    await execute('cp', ['-a', cluster, copy]);

    const primary = await ensureEmbeddedPostgres(folder, () => {});
    const { port, password, username } = new URL(primary.url);
    const from = `host=127.0.0.1 port=${port} user=${username} password=${password}`;
    await appendFile(join(copy, 'postgresql.auto.conf'), `primary_conninfo = '${from}'\n`);
    await writeFile(join(copy, 'standby.signal'), '');
    if (account !== undefined)
      await execute('chown', [`${account.uid}:${account.gid}`, join(copy, 'standby.signal')]);
    const mine = await freePort();
    const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200'];
    const standby = spawn(
      postgres,
      ['-D', copy, '-p', String(mine), ...settings.flatMap((setting) => ['-c', setting])],
      { ...account, cwd: '/', env: SERVER_ENVIRONMENT, stdio: 'ignore' },
    );
    const pair = new ReplicatedDatabase(folder, primary, standby, mine);
    await pair.untilReady().catch(async (error: unknown) => {
      await pair.stop();
      throw error;
    });
    return pair;
  }

  get primaryUrl(): string {
    return this.primary.url;
  }

  /** Both servers in one URL, the standby first. */
  get url(): string {
    const [primary, standby] = [new URL(this.primaryUrl), new URL(this.standbyUrl)];
    return this.primaryUrl.replace(primary.host, `${standby.host},${primary.host}`);
  }

  /** Resolves when the standby has everything that was committed on the primary. */
  async caughtUp(): Promise<void> {
    const { lsn } = await ask<{ lsn: string }>(this.primaryUrl, 'SELECT pg_current_wal_lsn()::text AS lsn');
    const behind = `SELECT pg_last_wal_replay_lsn() < '${lsn}'::pg_lsn AS behind`;
    await until(async () => !(await ask<{ behind: boolean }>(this.standbyUrl, behind)).behind);
  }

  /** Stops the replication to the standby. */
  async disconnect(): Promise<void> {
    await appendFile(join(this.folder, 'standby', 'postgresql.auto.conf'), `primary_conninfo = ''\n`);
    this.standby.kill('SIGHUP');
    const receivers = `SELECT count(*)::integer AS count FROM pg_stat_replication`;
    await until(async () => (await ask<{ count: number }>(this.primaryUrl, receivers)).count === 0);
  }

  /** Promotes the standby. The old primary keeps running. */
  async promote(): Promise<void> {
    await writeFile(join(this.folder, 'standby', 'promote'), '');
    this.standby.kill('SIGUSR1');
    await until(
      async () => !(await ask<{ in: boolean }>(this.standbyUrl, 'SELECT pg_is_in_recovery() AS in')).in,
    );
  }

  async stopPrimary(): Promise<void> {
    await this.primary.release();
  }

  async stop(): Promise<void> {
    const ended = once(this.standby, 'exit');
    if (this.standby.exitCode === null && this.standby.kill('SIGQUIT')) await ended;
    await this.primary.release();
    await rm(this.folder, { recursive: true, force: true });
  }

  private async untilReady(): Promise<void> {
    const file = join(this.folder, 'standby', 'postmaster.pid');
    await until(async () => {
      if (this.standby.exitCode !== null) throw new Error(`the standby ended with ${this.standby.exitCode}`);
      return (await readFile(file, 'utf8').catch(() => '')).split('\n')[7]?.trim() === 'ready';
    });
    const streaming = `SELECT count(*)::integer AS count FROM pg_stat_replication`;
    await until(async () => (await ask<{ count: number }>(this.primaryUrl, streaming)).count === 1);
  }
}

async function ask<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows[0]!;
  } finally {
    await client.end();
  }
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + WITHIN; !(await holds()); await delay(50)) {
    if (Date.now() > deadline) throw new Error('the servers do not get as far as that');
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
