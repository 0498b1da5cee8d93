import { readFileSync, readdirSync } from 'node:fs';
import { setPriority } from 'node:os';

/** This process's threads, on Linux. */
const THREADS = '/proc/self/task';

/**
 * The niceness of threads by the name that they have since Node 22: V8's, which compile and collect garbage, and libuv's pool, which
 * hashes and signs. V8's go before the pool: there are moments when the event loop waits for them. All get what is left, and still a
 * fair part of a machine that others use too.
 */
const NICENESS: ReadonlyMap<string, number> = new Map([
  ['V8Worker', 3],
  ['libuv-worker', 7],
]);

/**
 * Lets the event loop go before the other threads of this process: where cores are few, requests that need none of them would wait for
 * those that do. Does nothing where threads have no niceness of their own; says how many threads it changed.
 */
export function putEventLoopFirst(): number {
  let changed = 0;
  try {
    for (const thread of readdirSync(THREADS)) {
      const niceness = NICENESS.get(nameOf(thread));
      if (niceness === undefined) continue;
      setPriority(Number(thread), niceness);
      changed += 1;
    }
  } catch {
    // Another system, or not ours to say.
  }
  return changed;
}

function nameOf(thread: string): string {
  return readFileSync(`${THREADS}/${thread}/comm`, 'utf8').trim();
}
