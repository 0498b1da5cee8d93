import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { BACKGROUND } from '../common/background.js';
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
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private readonly cleaners: Cleaner[];

  constructor(
    private readonly database: Database,
    @Inject(CLEANERS) cleaners: readonly Cleaner[],
    @Inject(BACKGROUND) private readonly background = true,
  ) {
    this.cleaners = [...cleaners];
  }

  /** For features that operations must not know. */
  add(cleaner: Cleaner): void {
    this.cleaners.push(cleaner);
  }

  /** After a random part of the interval, so that nodes started together do not meet. */
  onApplicationBootstrap(): void {
    if (this.background) this.later(EVERY * Math.random());
  }

  onApplicationShutdown(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  /** Never throws: what could not be removed is tried again the next time. False: another node is at it. */
  async run(): Promise<boolean> {
    try {
      return await this.database.transaction(async (sql) => {
        const [row] = await sql.query<{ mine: boolean }>(LOCK);
        if (row?.mine !== true) return false;
        for (const clean of this.cleaners) await this.finish(clean);
        return true;
      });
    } catch (error) {
      this.logger.warn({ err: error }, 'the clean-up has to wait');
      return false;
    }
  }

  private async finish(clean: Cleaner): Promise<void> {
    try {
      for (let batch = 0; batch < MAX_BATCHES && !this.stopped; batch++) {
        if ((await clean(BATCH)) < BATCH) break;
      }
    } catch (error) {
      this.logger.warn({ err: error }, 'expired rows could not be removed yet');
    }
  }

  private later(milliseconds: number): void {
    this.timer = setTimeout(() => {
      void this.run().then(() => {
        if (!this.stopped) this.later(EVERY);
      });
    }, milliseconds).unref();
  }
}
