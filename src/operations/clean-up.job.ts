import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { BackgroundLoops } from '../common/background-loops.js';
import type { BackgroundLoop } from '../common/background-loops.js';
import { tryLockForTransaction } from '../database/advisory-locks.js';
import { Database } from '../database/database.js';

/** Removes at most `batch` things that nobody needs any more; says how many. */
export type Cleaner = (batch: number) => Promise<number>;

/** Injection token of all {@link Cleaner}s. */
export const CLEANERS = Symbol('CLEANERS');

/** Milliseconds. */
const EVERY = 60_000;
const BATCH = 1_000;

/** What is left after so many batches waits for the next time, so that no cleaner keeps the others waiting. */
const MAX_BATCHES = 20;

/** Ends with the transaction, so a node that dies never keeps it. */
const LOCK = tryLockForTransaction('cleanUp');

/**
 * Removes what has expired, in batches so small that they hold nothing up, on one node at a time. Cleaners must be harmless
 * on several at once all the same: a transaction that takes too long loses the lock.
 */
@Injectable()
export class CleanUp implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(CleanUp.name);
  private readonly loop: BackgroundLoop;
  private readonly cleaners: Cleaner[];

  constructor(
    private readonly database: Database,
    @Inject(CLEANERS) cleaners: readonly Cleaner[],
    loops: BackgroundLoops,
  ) {
    this.cleaners = [...cleaners];
    const failure = 'the clean-up has to wait';
    this.loop = loops.create({ name: 'clean-up', everyMs: EVERY, failure, run: () => this.run() });
  }

  /** For features that operations must not know. */
  add(cleaner: Cleaner): void {
    this.cleaners.push(cleaner);
  }

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.loop.stop();
  }

  /** Rows that could not be removed are removed by the next run. False: another node is cleaning up. */
  run(): Promise<boolean> {
    return this.database.transaction(async (sql) => {
      const [row] = await sql.query<{ mine: boolean }>(LOCK);
      if (row?.mine !== true) return false;
      for (const clean of this.cleaners) await this.finish(clean);
      return true;
    });
  }

  private async finish(clean: Cleaner): Promise<void> {
    try {
      for (let batch = 0; batch < MAX_BATCHES && !this.loop.stopped; batch++) {
        if ((await clean(BATCH)) < BATCH) break;
      }
    } catch (error) {
      this.logger.warn({ err: error }, 'expired rows could not be removed yet');
    }
  }
}
