import { spawn } from 'node:child_process';
import { open, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SERVER_ENVIRONMENT } from './embedded-account.js';
import type { Account } from './embedded-account.js';
import { failureIn } from './embedded-message.js';
import { commandLine, exists, identify, isAlive } from './embedded-process.js';
import type { ProcessIdentity } from './embedded-process.js';

const HOST = '127.0.0.1';
/** Milliseconds. Recovery after a crash may take long, a fast shutdown must not. */
const TIME = { poll: 20, ready: 120_000, retry: 250, retries: 40, fast: 10_000, immediate: 3_000 };
const LOG_BYTES = 4 * 1024 * 1024;
/** Linux and others count processes to far below it, and PostgreSQL takes no larger number for one. */
const NOBODY = 2 ** 31 - 2;

/** A live postmaster of a cluster. */
export interface Postmaster {
  readonly identity: ProcessIdentity;
  readonly pid: number;
  readonly port: number;
  readonly ready: boolean;
}

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

/** The server that runs on this cluster, if one does. A `postmaster.pid` left behind by a killed one is seen through. */
export async function findPostmaster(cluster: string): Promise<Postmaster | undefined> {
  const [pid, , , port, , , , status = ''] = await readPidFile(cluster);
  const identity = await identify(Number(pid));
  if (identity === undefined || !(await isPostmasterOf(cluster, Number(pid)))) return undefined;
  return { identity, pid: Number(pid), port: Number(port), ready: status.trim() === 'ready' };
}

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

async function readPidFile(cluster: string): Promise<string[]> {
  try {
    return (await readFile(pidFile(cluster), 'utf8')).split('\n');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/**
 * PostgreSQL itself refuses to start while any process has the number in a file that a killed server left: another one, as
 * happens when a container starts again, or the server itself while it is a zombie. So the file gets a number that nobody has.
 * The rest of it stays: by that PostgreSQL finds out whether children of the killed server are still at the data.
 */
async function disown(cluster: string): Promise<void> {
  const [pid, ...rest] = await readPidFile(cluster);
  if (!exists(Number(pid)) || (await findPostmaster(cluster)) !== undefined) return;
  await writeFile(pidFile(cluster), [NOBODY, ...rest].join('\n'));
}

/** In doubt the answer is yes: two servers on one data folder would destroy it. */
async function isPostmasterOf(cluster: string, pid: number): Promise<boolean> {
  const [program, ...args] = await commandLine(pid);
  if (program === undefined) return true;
  if (!/^postgres(\.exe)?$/.test(basename(program))) return false;
  const folder = args[args.indexOf('-D') + 1];
  if (folder === undefined || folder === cluster) return true;
  const [theirs, ours] = await Promise.all(
    [folder, cluster].map((path) => stat(path).catch(() => undefined)),
  );
  return theirs === undefined || (theirs.dev === ours?.dev && theirs.ino === ours.ino);
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

function pidFile(cluster: string): string {
  return join(cluster, 'postmaster.pid');
}
