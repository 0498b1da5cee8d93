import { readFileSync, readdirSync } from 'node:fs';
import { getPriority } from 'node:os';
import { stat } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { putEventLoopFirst } from '../../../src/common/thread-priorities.js';

const THREADS = '/proc/self/task';
const named = (name: string) =>
  process.platform === 'linux'
    ? readdirSync(THREADS).filter(
        (thread) => readFileSync(`${THREADS}/${thread}/comm`, 'utf8').trim() === name,
      )
    : [];
const nicenessOf = (threads: readonly string[]) =>
  new Set(threads.map((thread) => getPriority(Number(thread))));

describe('putEventLoopFirst', () => {
  it('ranks V8 threads below the event loop and the pool below them, and changes no others', async () => {
    // Makes the pool's threads.
    await stat('/');
    const before = getPriority();
    const v8 = named('V8Worker');
    const pool = named('libuv-worker');
    expect(putEventLoopFirst()).toBe(v8.length + pool.length);
    expect(nicenessOf(v8)).toEqual(new Set(v8.map(() => 3)));
    expect(nicenessOf(pool)).toEqual(new Set(pool.map(() => 7)));
    expect(getPriority()).toBe(before);
  });
});
