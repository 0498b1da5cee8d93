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
import { dirname, join } from 'node:path';
import { blockedAt, runAs } from './embedded-account.js';
import type { Account } from './embedded-account.js';
import type { Binaries } from './embedded-binaries.js';
import { failureIn } from '../embedded-message.js';

/** Role and database of the service. The role is no superuser; it may create databases, as tests do. */
export const NAME = 'tandem';

/** Where root keeps data when the server's account cannot enter the data folder (as under /root). */
const ELSEWHERE = '/var/lib';

/** The real path of an initialised cluster, or undefined when there is none yet. Throws when its link leads nowhere. */
export async function findCluster(dataDir: string): Promise<string | undefined> {
  const path = join(dataDir, 'postgres');
  try {
    return await realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    if ((await lstat(path).catch(() => undefined)) === undefined) return undefined;
    throw new Error(`${path} leads to a folder that is gone: put it back, or delete the link to begin anew`);
  }
}

/** The password of role {@link NAME}. */
export async function readPassword(dataDir: string): Promise<string> {
  const file = passwordFile(dataDir);
  const password = await readFile(file, 'utf8').catch(() => '');
  if (password === '')
    throw new Error(`${file} is missing or cannot be read: without it there is no way into the database`);
  return password.trim();
}

/**
 * A folder for the cluster that the account can enter: `dataDir`, or one under {@link ELSEWHERE}. The caller holds the
 * lock of `dataDir`.
 */
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
  const elsewhere = await blockedAt(account, ELSEWHERE);
  if (elsewhere !== undefined)
    throw new Error(`PostgreSQL does not run as root, and its user cannot enter ${blocked}: set DATA_DIR`);
  const home = await mkdtemp(join(ELSEWHERE, `${NAME}-`));
  await chmod(home, 0o711);
  log(`PostgreSQL does not run as root, and its user cannot enter ${blocked}: its data goes to ${home}`);
  return home;
}

/**
 * Makes a cluster with the role and the database {@link NAME} in `home`, and a link to it where `home` is not `dataDir`.
 * It appears complete or not at all, also when the process is killed. Only {@link NAME} can log in, from this machine,
 * by SCRAM-SHA-256 with a random password kept in a file of mode 0600.
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
  const statements = [
    `CREATE ROLE ${NAME} LOGIN CREATEDB PASSWORD '${password}'`,
    `CREATE DATABASE ${NAME} OWNER ${NAME}`,
    '',
  ].join('\n');
  const single = ['--single', '-D', unfinished, '-c', 'log_min_messages=error', 'postgres'];
  await succeed(runAs(account, binaries.postgres, single, statements));
  await rename(unfinished, cluster);
  if (home !== dataDir) await symlink(cluster, join(dataDir, 'postgres'));
  return cluster;
}

/** Throws when the account cannot reach an existing cluster. */
export async function assertReachable(cluster: string, account: Account): Promise<void> {
  const blocked = await blockedAt(account, dirname(cluster));
  if (blocked !== undefined)
    throw new Error(`the owner of ${cluster} cannot enter ${blocked}: chmod a+x it, or set DATA_DIR`);
}

/** The single-user mode of PostgreSQL ends with 0 also after a failed statement. */
async function succeed(run: ReturnType<typeof runAs>): Promise<void> {
  const { code, stderr } = await run;
  const fault = failureIn(stderr);
  if (code !== 0 || fault !== undefined) {
    throw new Error(
      `PostgreSQL's data folder could not be made: ${fault ?? (stderr.trim() || `code ${code}`)}`,
    );
  }
}

function passwordFile(dataDir: string): string {
  return join(dataDir, 'postgres.password');
}
