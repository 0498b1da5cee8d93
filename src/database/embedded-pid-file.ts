import { readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { commandLine, exists, identify } from './embedded/embedded-process.js';
import type { ProcessIdentity } from './embedded/embedded-process.js';

/** Linux and others count processes to far below it, and PostgreSQL takes no larger number for one. */
const NOBODY = 2 ** 31 - 2;

/** A live postmaster of a cluster. */
export interface Postmaster {
  readonly identity: ProcessIdentity;
  readonly pid: number;
  readonly port: number;
  readonly ready: boolean;
}

/** The server that runs on this cluster, if one does. A `postmaster.pid` left behind by a killed one is seen through. */
export async function findPostmaster(cluster: string): Promise<Postmaster | undefined> {
  const [pid, , , port, , , , status = ''] = await readPidFile(cluster);
  const identity = await identify(Number(pid));
  if (identity === undefined || !(await isPostmasterOf(cluster, Number(pid)))) return undefined;
  return { identity, pid: Number(pid), port: Number(port), ready: status.trim() === 'ready' };
}

/**
 * PostgreSQL itself refuses to start while any process has the number in a file that a killed server left: another one, as
 * happens when a container starts again, or the server itself while it is a zombie. So the file gets a number that nobody has.
 * The rest of it stays: by that PostgreSQL finds out whether children of the killed server are still at the data.
 */
export async function disown(cluster: string): Promise<void> {
  const [pid, ...rest] = await readPidFile(cluster);
  if (!exists(Number(pid)) || (await findPostmaster(cluster)) !== undefined) return;
  await writeFile(pidFile(cluster), [NOBODY, ...rest].join('\n'));
}

async function readPidFile(cluster: string): Promise<string[]> {
  try {
    return (await readFile(pidFile(cluster), 'utf8')).split('\n');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
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

function pidFile(cluster: string): string {
  return join(cluster, 'postmaster.pid');
}
