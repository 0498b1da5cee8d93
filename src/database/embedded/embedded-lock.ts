import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { identify, isAlive } from './embedded-process.js';

const FREE = 'free';
/** A holder writes its identity right after it created the file. A file that stays empty for longer belongs to a dead holder. */
const EMPTY_FILE_TIMEOUT_MS = 2_000;

/**
 * Runs `work` while no other process runs work under the same path. Takes over the lock of a process that died.
 *
 * The lock is a series of files `<path>.<turn>`. The holder is the process in the highest turn. A process creates the next turn
 * exclusively, and only if the highest one is free or its holder is dead. Then it deletes the lower ones. So no process deletes a stale
 * lock file that another one has just replaced. Throws if another process holds the lock for longer than `timeoutMs`.
 */
export async function withLock<T>(path: string, work: () => Promise<T>, timeoutMs = 180_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const turn = await take(path);
    if (turn !== undefined) {
      try {
        return await work();
      } finally {
        await writeFile(turn, FREE).catch(() => {});
      }
    }
    if (Date.now() > deadline) throw new Error(`${path} is still held by another process`);
    await delay(20 + Math.random() * 30);
  }
}

/** The file of the turn that this process holds now. Undefined if another process has its turn. */
async function take(path: string): Promise<string | undefined> {
  const last = Math.max(0, ...(await turns(path)));
  if (last > 0 && !(await isFree(`${path}.${last}`))) return undefined;
  const mine = `${path}.${last + 1}`;
  try {
    await writeFile(mine, (await identify(process.pid)) ?? String(process.pid), { flag: 'wx', mode: 0o644 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw error;
  }
  const now = await turns(path);
  if (Math.max(...now) !== last + 1) {
    // Others have had several turns meanwhile.
    await rm(mine, { force: true });
    return undefined;
  }
  await Promise.all(now.filter((turn) => turn <= last).map((turn) => rm(`${path}.${turn}`, { force: true })));
  return mine;
}

async function turns(path: string): Promise<number[]> {
  const prefix = `${basename(path)}.`;
  const names = await readdir(dirname(join(path)));
  return names
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)));
}

async function isFree(file: string): Promise<boolean> {
  try {
    const holder = await readFile(file, 'utf8');
    if (holder === '') return Date.now() - (await stat(file)).mtimeMs > EMPTY_FILE_TIMEOUT_MS;
    return holder === FREE || !(await isAlive(holder));
  } catch (error) {
    // Deleted: another process has already taken the next turn.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
