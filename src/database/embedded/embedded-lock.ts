import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { identify, isAlive } from './embedded-process.js';

const FREE = 'free';
/** A holder writes its name right after it made the file; without one for so long (ms) it died in between. */
const NAMELESS = 2_000;

/**
 * Runs `work` while no other process runs work under the same path; the lock of a process that died is taken over.
 *
 * The lock is a row of files `<path>.<turn>`: the highest turn holds, the next one is made (exclusively) only when that
 * one is free or its holder is dead, and lower ones go. So a stale lock is never deleted from under a live holder, as it
 * can happen when two processes clear away one stale lock file. Throws when the holder lives on for `patience` ms.
 */
export async function withLock<T>(path: string, work: () => Promise<T>, patience = 180_000): Promise<T> {
  const deadline = Date.now() + patience;
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

/** The file of the turn now held, or undefined when it is somebody else's turn. */
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
    // Others had several turns since the first look.
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
    if (holder === '') return Date.now() - (await stat(file)).mtimeMs > NAMELESS;
    return holder === FREE || !(await isAlive(holder));
  } catch (error) {
    // Gone: somebody had the next turn already.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
