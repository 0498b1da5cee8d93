import { readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { commandLine, exists, identify } from './embedded-process.js';
import type { ProcessIdentity } from './embedded-process.js';

/** A process id that no system uses. It is the largest that PostgreSQL accepts. */
const UNUSED_PID = 2 ** 31 - 2;

/** The main process of a running server. */
export interface Postmaster {
  readonly identity: ProcessIdentity;
  readonly pid: number;
  readonly port: number;
  readonly ready: boolean;
}

/** The server that runs on this cluster, if there is one. Ignores a `postmaster.pid` that a killed server left behind. */
export async function findPostmaster(cluster: string): Promise<Postmaster | undefined> {
  const [pid, , , port, , , , status = ''] = await readPidFile(cluster);
  const identity = await identify(Number(pid));
  if (identity === undefined || !(await isPostmasterOf(cluster, Number(pid)))) return undefined;
  return { identity, pid: Number(pid), port: Number(port), ready: status.trim() === 'ready' };
}

/**
 * PostgreSQL refuses to start while any process has the number in a `postmaster.pid` that a killed server left: another process (after a
 * container restart) or the server itself as a zombie. So the number is replaced by an unused one. The rest of the file stays, because
 * PostgreSQL uses it to find out whether children of the killed server still use the data.
 */
export async function disownPidFile(cluster: string): Promise<void> {
  const [pid, ...rest] = await readPidFile(cluster);
  if (!exists(Number(pid)) || (await findPostmaster(cluster)) !== undefined) return;
  await writeFile(join(cluster, 'postmaster.pid'), [UNUSED_PID, ...rest].join('\n'));
}

async function readPidFile(cluster: string): Promise<string[]> {
  try {
    return (await readFile(join(cluster, 'postmaster.pid'), 'utf8')).split('\n');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** True if in doubt: two servers on one data folder would destroy it. */
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
