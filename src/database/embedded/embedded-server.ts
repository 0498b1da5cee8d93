import { spawn } from 'node:child_process';
import { open, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { SERVER_ENVIRONMENT } from './embedded-account.js';
import type { Account } from './embedded-account.js';
import { failureIn } from '../embedded-message.js';
import { disown, findPostmaster } from '../embedded-pid-file.js';
import type { Postmaster } from '../embedded-pid-file.js';
import { isAlive } from './embedded-process.js';

const HOST = '127.0.0.1';
/** Milliseconds. Recovery after a crash may take long, a fast shutdown must not. */
const TIME = { poll: 20, ready: 120_000, retry: 250, retries: 40, fast: 10_000, immediate: 3_000 };
const LOG_BYTES = 4 * 1024 * 1024;

/**
 * Durable (fsync and synchronous_commit stay on), reachable from this machine only. Messages below LOG, statements and
 * details stay out of the log: they would hold what users sent.
 */
const SETTINGS = {
  listen_addresses: HOST,
  unix_socket_directories: '',
  max_connections: '200',
  password_encryption: 'scram-sha-256',
  max_wal_size: '256MB',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_checkpoints: 'off',
  log_disconnections: 'off',
};

/** `default` adds DETAIL and HINT, which is what a failed start needs; the DETAIL of a crash would be the text of a statement. */
type Verbosity = 'terse' | 'default';

/** The server that runs on this cluster, started unless it is there, and ready for connections. */
export async function ensurePostmaster(
  cluster: string,
  files: { readonly log: string; readonly port: string },
  postgres: string,
  account: Account,
): Promise<{ readonly server: Postmaster; readonly started: boolean }> {
  const deadline = Date.now() + TIME.ready;
  for (
    let server = await findPostmaster(cluster);
    server !== undefined;
    server = await findPostmaster(cluster)
  ) {
    if (server.ready) return { server, started: false };
    if (Date.now() > deadline) throw new Error(`PostgreSQL (process ${server.pid}) does not get ready`);
    await delay(TIME.poll);
  }
  await disown(cluster);
  if ((await sizeOf(files.log)) > LOG_BYTES) await rename(files.log, `${files.log}.1`);
  for (let attempt = 1; ; attempt += 1) {
    const kept = Number(await readFile(files.port, 'utf8').catch(() => '0'));
    const port = (await freePort(kept)) ?? (await freePort(0))!;
    const begin = (verbosity: Verbosity) => start(cluster, port, files.log, postgres, account, verbosity);
    const outcome = await begin('terse');
    if (typeof outcome !== 'string') {
      await writeFile(files.port, `${outcome.port}\n`);
      return { server: outcome, started: true };
    }
    // Children of a killed postmaster need a moment to notice; a port can be taken between the look and the use.
    const passing = /shared memory block|could not bind|could not create any TCP/.test(outcome);
    if (!passing || attempt === TIME.retries) {
      const why = await begin('default');
      if (typeof why !== 'string') await stopPostmaster(why);
      throw new Error(`PostgreSQL did not start: ${typeof why === 'string' ? why : outcome}`);
    }
    await delay(TIME.retry);
  }
}

/** Ends the server: fast, then immediate after 10 s, then by force. Returns at once when it is gone already. */
export async function stopPostmaster({ pid, identity }: Postmaster): Promise<void> {
  for (const [signal, patience] of [
    ['SIGINT', TIME.fast],
    ['SIGQUIT', TIME.immediate],
    ['SIGKILL', TIME.immediate],
  ] as const) {
    if (!(await isAlive(identity))) return;
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
    const deadline = Date.now() + patience;
    while (Date.now() < deadline && (await isAlive(identity))) await delay(TIME.poll);
  }
}

/** The server once it is ready, or what it said when it ended instead. */
async function start(
  cluster: string,
  port: number,
  logFile: string,
  postgres: string,
  account: Account,
  verbosity: Verbosity,
): Promise<Postmaster | string> {
  const before = await sizeOf(logFile);
  const log = await open(logFile, 'a', 0o600);
  const settings = Object.entries({ ...SETTINGS, log_error_verbosity: verbosity }).flatMap(
    ([name, value]) => ['-c', `${name}=${value}`],
  );
  const child = spawn(postgres, ['-D', cluster, '-p', String(port), ...settings], {
    ...account,
    cwd: '/',
    env: SERVER_ENVIRONMENT,
    // A session of its own: Ctrl-C in the terminal is for us, and we end the server when nobody uses it any more.
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  });
  let failure: string | undefined;
  child.once('error', (error) => (failure = error.message));
  child.once('exit', (code, signal) => (failure ??= `it ended with ${signal ?? code}`));
  child.unref();
  await log.close();
  const deadline = Date.now() + TIME.ready;
  while (failure === undefined) {
    const server = await findPostmaster(cluster);
    if (server?.pid === child.pid && server?.ready) return server;
    if (Date.now() > deadline) {
      child.kill('SIGQUIT');
      failure = 'it does not get ready';
    }
    await delay(TIME.poll);
  }
  const said = (await readFile(logFile)).subarray(before).toString();
  return failureIn(said) ?? said.trim().split('\n').at(-1) ?? failure;
}

/** The port when it can be listened on (0: any), else undefined. */
function freePort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(undefined));
    probe.listen(port, HOST, () => {
      const free = (probe.address() as AddressInfo).port;
      probe.close(() => resolve(free));
    });
  });
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}
