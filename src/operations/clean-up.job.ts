import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { BackgroundLoops } from '../common/background-loops.js';
import type { BackgroundLoop } from '../common/background-loops.js';
import { tryLockForTransaction } from '../database/advisory-locks.js';
import { Database } from '../database/database.js';

/** Removes at most `batch` expired rows. Returns how many were removed. */
export type Cleaner = (batch: number) => Promise<number>;

/** Injection token of all {@link Cleaner}s. */
export const CLEANERS = Symbol('CLEANERS');

const INTERVAL_MS = 60_000;
const BATCH_SIZE = 1_000;

/** After this many batches a cleaner stops until the next run, so that it does not delay the other cleaners. */
const MAX_BATCHES = 20;

/** The lock is released with the transaction, so a crashed node does not keep it. */
const TRY_LOCK_SQL = tryLockForTransaction('cleanUp');

/**
 * Removes expired rows every minute, on one node at a time, in small batches that do not block requests. A transaction that takes too long
 * loses the lock, so cleaners must be safe to run on several nodes at once.
 */
@Injectable()
export class CleanUpJob implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(CleanUpJob.name);
  private readonly loop: BackgroundLoop;
  private readonly cleaners: Cleaner[];
  /** When this node last finished a run without a failure. Milliseconds since the epoch; 0 if it never has. */
  completedAt = 0;

  constructor(
    private readonly database: Database,
    @Inject(CLEANERS) cleaners: readonly Cleaner[],
    loops: BackgroundLoops,
  ) {
    this.cleaners = [...cleaners];
    const failure = 'the clean-up failed; it will be retried';
    this.loop = loops.create({ name: 'clean-up', everyMs: INTERVAL_MS, failure, run: () => this.run() });
  }

  /** Adds the cleaner of a feature that this module must not import. */
  add(cleaner: Cleaner): void {
    this.cleaners.push(cleaner);
  }

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.loop.stop();
  }

  /** Runs all cleaners. If one fails, its rows are removed by a later run. Returns false if another node is cleaning up. */
  run(): Promise<boolean> {
    return this.database.transaction(async (sql) => {
      const [row] = await sql.query<{ acquired: boolean }>(TRY_LOCK_SQL);
      if (row?.acquired !== true) return false;
      let complete = true;
      for (const clean of this.cleaners) complete = (await this.runCleaner(clean)) && complete;
      if (complete) this.completedAt = Date.now();
      return true;
    });
  }

  /** False if the cleaner failed. */
  private async runCleaner(clean: Cleaner): Promise<boolean> {
    try {
      for (let batch = 0; batch < MAX_BATCHES && !this.loop.stopped; batch++) {
        if ((await clean(BATCH_SIZE)) < BATCH_SIZE) break;
      }
      return true;
    } catch (error) {
      this.logger.warn({ err: error }, 'failed to remove expired rows; the next run will retry');
      return false;
    }
  }
}
