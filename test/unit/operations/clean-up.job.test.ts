import { Logger } from '@nestjs/common';
import { beforeAll, describe, expect, it } from 'vitest';
import { BackgroundLoops } from '../../../src/common/background-loops.js';
import { DatabaseUnavailable } from '../../../src/database/database.errors.js';
import type { Database, Sql } from '../../../src/database/database.js';
import { CleanUpJob } from '../../../src/operations/clean-up.job.js';
import type { Cleaner } from '../../../src/operations/clean-up.job.js';

beforeAll(() => Logger.overrideLogger(false));

function databaseThatSays(answer: boolean | Error): Database {
  const sql = { query: () => Promise.resolve([{ acquired: answer }]) } as unknown as Sql;
  const transaction = <T>(work: (sql: Sql) => Promise<T>) =>
    answer instanceof Error ? Promise.reject(answer) : work(sql);
  return { transaction } as unknown as Database;
}

/** Has so many rows to remove, and counts how often it was asked. */
function cleanerOf(rows: number): Cleaner & { asked: number } {
  let left = rows;
  const cleaner = Object.assign(
    (batch: number) => {
      cleaner.asked += 1;
      const removed = Math.min(left, batch);
      left -= removed;
      return Promise.resolve(removed);
    },
    { asked: 0 },
  );
  return cleaner;
}

describe('the clean-up', () => {
  it('calls each cleaner until it removes less than a batch', async () => {
    const [empty, some] = [cleanerOf(0), cleanerOf(2_500)];
    expect(await new CleanUpJob(databaseThatSays(true), [empty, some], new BackgroundLoops(true)).run()).toBe(
      true,
    );
    expect([empty.asked, some.asked]).toEqual([1, 3]);
  });

  it('leaves the rest of a large backlog to the next run', async () => {
    const flood = cleanerOf(1_000_000);
    await new CleanUpJob(databaseThatSays(true), [flood], new BackgroundLoops(true)).run();
    expect(flood.asked).toBe(20);
  });

  it('runs the other cleaners when one fails', async () => {
    const good = cleanerOf(1);
    const bad = () => Promise.reject(new Error('no'));
    expect(await new CleanUpJob(databaseThatSays(true), [bad, good], new BackgroundLoops(true)).run()).toBe(
      true,
    );
    expect(good.asked).toBe(1);
  });

  it('does nothing while another node is cleaning up', async () => {
    const cleaner = cleanerOf(1);
    expect(await new CleanUpJob(databaseThatSays(false), [cleaner], new BackgroundLoops(true)).run()).toBe(
      false,
    );
    expect(cleaner.asked).toBe(0);
  });

  it('removes nothing and reports a failure while the database is unreachable', async () => {
    const gone = databaseThatSays(new DatabaseUnavailable(new Error('gone')));
    const cleaner = cleanerOf(1);
    const run = new CleanUpJob(gone, [cleaner], new BackgroundLoops(true)).run();
    await expect(run).rejects.toThrow(DatabaseUnavailable);
    expect(cleaner.asked).toBe(0);
  });

  it('stops between batches when the node stops', async () => {
    const flood = cleanerOf(1_000_000);
    const job = new CleanUpJob(databaseThatSays(true), [flood], new BackgroundLoops(true));
    await job.onApplicationShutdown();
    await job.run();
    expect(flood.asked).toBe(0);
  });
});
