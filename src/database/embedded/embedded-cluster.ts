import { randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  realpath,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import type { Binaries } from './embedded-binaries.js';
import { blockedAt, failureIn, runAs } from './embedded-process.js';
import type { Account } from './embedded-process.js';

/** Role and database of the service. The role is not a superuser. It may create databases, which tests do. */
export const NAME = 'tandem';

/** Where root keeps the data if the server's account cannot enter the data folder (as under /root). */
const FALLBACK_FOLDER = '/var/lib';

/** The real path of an initialised cluster. Undefined if there is none yet. Throws if its link is broken. */
export async function findCluster(dataDir: string): Promise<string | undefined> {
  const path = join(dataDir, 'postgres');
  try {
    return await realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    if ((await lstat(path).catch(() => undefined)) === undefined) return undefined;
    throw new Error(
      `${path} links to a missing folder: restore that folder, or delete the link to start with an empty database`,
    );
  }
}

/** The password of role {@link NAME}. */
export async function readPassword(dataDir: string): Promise<string> {
  const file = passwordFile(dataDir);
  const password = await readFile(file, 'utf8').catch(() => '');
  if (password === '')
    throw new Error(`${file} is missing or unreadable: without it nobody can log in to the database`);
  return password.trim();
}

/** A folder for the cluster that the account can enter: `dataDir`, or one under /var/lib. Call it under the lock of `dataDir`. */
export async function chooseHome(
  dataDir: string,
  account: Account,
  log: (line: string) => void,
): Promise<string> {
  const blocked = await blockedAt(account, dataDir);
  if (blocked === undefined) return dataDir;
  if (blocked === dataDir) {
    await chmod(dataDir, 0o711);
    return dataDir;
  }
  const problem = `PostgreSQL does not run as root, and its user cannot enter ${blocked}`;
  if ((await blockedAt(account, FALLBACK_FOLDER)) !== undefined) throw new Error(`${problem}: set DATA_DIR`);
  const home = await mkdtemp(join(FALLBACK_FOLDER, `${NAME}-`));
  await chmod(home, 0o711);
  log(`${problem}: its data goes to ${home}`);
  return home;
}

/**
 * Creates a cluster with the role and the database {@link NAME} in `home`, and a link to it if `home` is not `dataDir`. If the process is
 * killed, there is no half-made cluster. Only {@link NAME} can log in, only from this machine, with SCRAM-SHA-256 and a random password
 * in a file of mode 0600.
 */
export async function createCluster(
  dataDir: string,
  home: string,
  account: Account,
  binaries: Binaries,
): Promise<string> {
  const cluster = join(home, 'postgres');
  const unfinished = `${cluster}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { mode: 0o700 });
  if (account !== undefined) await chown(unfinished, account.uid, account.gid);
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const flags = ['--username=postgres', '--auth=reject', ...locale];
  await succeed(runAs(account, binaries.initdb, ['-D', unfinished, ...flags]));
  await writeFile(join(unfinished, 'pg_hba.conf'), `host all ${NAME} 127.0.0.1/32 scram-sha-256\n`);

  const password = randomBytes(32).toString('hex');
  await rm(passwordFile(dataDir), { force: true });
  await writeFile(passwordFile(dataDir), `${password}\n`, { mode: 0o600, flush: true });
  const statements = `CREATE ROLE ${NAME} LOGIN CREATEDB PASSWORD '${password}'\nCREATE DATABASE ${NAME} OWNER ${NAME}\n`;
  const single = ['--single', '-D', unfinished, '-c', 'log_min_messages=error', 'postgres'];
  await succeed(runAs(account, binaries.postgres, single, statements));
  await rename(unfinished, cluster);
  if (home !== dataDir) await symlink(cluster, join(dataDir, 'postgres'));
  return cluster;
}

/** PostgreSQL's single-user mode exits with 0 even after a failed statement. */
async function succeed(run: ReturnType<typeof runAs>): Promise<void> {
  const { code, stderr } = await run;
  const fault = failureIn(stderr);
  if (code === 0 && fault === undefined) return;
  throw new Error(
    `PostgreSQL's data folder could not be created: ${fault ?? (stderr.trim() || `code ${code}`)}`,
  );
}

function passwordFile(dataDir: string): string {
  return join(dataDir, 'postgres.password');
}
