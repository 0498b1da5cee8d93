import { readFileSync, readdirSync } from 'node:fs';
import { getPriority } from 'node:os';
import { stat } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { putPoolBehindEventLoop } from '../../../src/common/pool-priority.js';

const THREADS = '/proc/self/task';
const pool = () =>
  process.platform === 'linux'
    ? readdirSync(THREADS).filter(
        (thread) => readFileSync(`${THREADS}/${thread}/comm`, 'utf8') === 'libuv-worker\n',
      )
    : [];

describe('putPoolBehindEventLoop', () => {
  it('lets the threads of the pool come after the event loop, and no others', async () => {
    // Makes the pool's threads.
    await stat('/');
    const before = getPriority();
    expect(putPoolBehindEventLoop()).toBe(pool().length);
    for (const thread of pool()) expect(getPriority(Number(thread))).toBe(5);
    expect(getPriority()).toBe(before);
  });
});
