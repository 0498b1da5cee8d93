import { spawn } from 'node:child_process';
import { open, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { disownPidFile, findPostmaster } from './embedded-pid-file.js';
import type { Postmaster } from './embedded-pid-file.js';
import { failureIn, isAlive, SERVER_ENVIRONMENT } from './embedded-process.js';
import type { Account } from './embedded-process.js';

const HOST = '127.0.0.1';
const POLL_INTERVAL_MS = 20;
/** Recovery after a crash may take long. */
const START_TIMEOUT_MS = 120_000;
const RETRY_DELAY_MS = 250;
const MAX_ATTEMPTS = 40;
const MAX_LOG_BYTES = 4 * 1024 * 1024;

/** How to stop the server, from friendly to forcible, and how long each signal gets in milliseconds. */
const STOP_SIGNALS = [
  ['SIGINT', 10_000],
  ['SIGQUIT', 3_000],
  ['SIGKILL', 3_000],
] as const;

/**
 * Durable (fsync and synchronous_commit stay on) and reachable from this machine only. Statements, details and messages below LOG stay
 * out of the log, because they contain what users have sent.
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

/** `default` adds DETAIL and HINT. They explain a failed start, but after a crash DETAIL contains the text of a statement. */
type Verbosity = 'terse' | 'default';

/** The server that runs on this cluster. Starts it if necessary, and waits until it accepts connections. */
export async function ensurePostmaster(
  cluster: string,
  files: { readonly log: string; readonly port: string },
  postgres: string,
  account: Account,
): Promise<{ readonly server: Postmaster; readonly started: boolean }> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  let server = await findPostmaster(cluster);
  for (; server !== undefined; server = await findPostmaster(cluster)) {
    if (server.ready) return { server, started: false };
    if (Date.now() > deadline) throw new Error(`PostgreSQL (process ${server.pid}) does not become ready`);
    await delay(POLL_INTERVAL_MS);
  }
  await disownPidFile(cluster);
  if ((await sizeOf(files.log)) > MAX_LOG_BYTES) await rename(files.log, `${files.log}.1`);
  for (let attempt = 1; ; attempt += 1) {
    const kept = Number(await readFile(files.port, 'utf8').catch(() => '0'));
    const port = (await freePort(kept)) ?? (await freePort(0))!;
    const begin = (verbosity: Verbosity) => start(cluster, port, files.log, postgres, account, verbosity);
    const outcome = await begin('terse');
    if (typeof outcome !== 'string') {
      await writeFile(files.port, `${outcome.port}\n`);
      return { server: outcome, started: true };
    }
    // Children of a killed postmaster need a moment to exit, and another process may take the port first.
    const transient = /shared memory block|could not bind|could not create any TCP/.test(outcome);
    if (!transient || attempt === MAX_ATTEMPTS) {
      const why = await begin('default');
      if (typeof why !== 'string') await stopPostmaster(why);
      throw new Error(`PostgreSQL did not start: ${typeof why === 'string' ? why : outcome}`);
    }
    await delay(RETRY_DELAY_MS);
  }
}

/** Stops the server, by force if necessary. Returns at once if it has already stopped. */
export async function stopPostmaster({ pid, identity }: Postmaster): Promise<void> {
  for (const [signal, timeoutMs] of STOP_SIGNALS) {
    if (!(await isAlive(identity))) return;
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
    const deadline = Date.now() + timeoutMs;
    while (Date.now() < deadline && (await isAlive(identity))) await delay(POLL_INTERVAL_MS);
  }
}

/** The server when it is ready, or the reason why it did not start. */
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
    // A session of its own: Ctrl-C in the terminal must not stop it, because other processes may use it.
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  });
  let failure: string | undefined;
  child.once('error', (error) => (failure = error.message));
  child.once('exit', (code, signal) => (failure ??= `it ended with ${signal ?? code}`));
  child.unref();
  await log.close();
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (failure === undefined) {
    const server = await findPostmaster(cluster);
    if (server?.pid === child.pid && server?.ready) return server;
    if (Date.now() > deadline) {
      child.kill('SIGQUIT');
      failure = 'it does not become ready';
    }
    await delay(POLL_INTERVAL_MS);
  }
  const output = (await readFile(logFile)).subarray(before).toString();
  return failureIn(output) ?? output.trim().split('\n').at(-1) ?? failure;
}

/** The port if this process can listen on it (0: any port), else undefined. */
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
  return (await stat(file).catch(() => undefined))?.size ?? 0;
}
