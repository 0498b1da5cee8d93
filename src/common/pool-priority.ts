import { readFileSync, readdirSync } from 'node:fs';
import { setPriority } from 'node:os';

/** This process's threads, on Linux. */
const THREADS = '/proc/self/task';

/** How the threads of libuv's pool are named since Node 22. */
const POOL = 'libuv-worker';

/** The niceness of the pool: it gets what the event loop leaves, and still a fair part of a machine that others use too. */
const NICENESS = 5;

/**
 * Lets the event loop go before the threads that hash passwords and sign: where cores are few, requests that need neither would wait for
 * those that do. Does nothing where threads have no niceness of their own; says how many threads it changed.
 */
export function putPoolBehindEventLoop(): number {
  try {
    const pool = readdirSync(THREADS).filter((thread) => nameOf(thread) === POOL);
    for (const thread of pool) setPriority(Number(thread), NICENESS);
    return pool.length;
  } catch {
    return 0;
  }
}

function nameOf(thread: string): string {
  return readFileSync(`${THREADS}/${thread}/comm`, 'utf8').trim();
}
