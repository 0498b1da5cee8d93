import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';

/** Removes at most `batch` things that nobody needs any more; says how many. */
export type Cleaner = (batch: number) => Promise<number>;

/** Injection token of all {@link Cleaner}s. */
export const CLEANERS = Symbol('CLEANERS');

const EVERY = 60_000;
const BATCH = 1_000;
const MAX_BATCHES = 50;

/** Removes what has expired, in batches so small that they hold nothing up. Harmless on several nodes at once. */
@Injectable()
export class CleanUp implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(CleanUp.name);
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(@Inject(CLEANERS) private readonly cleaners: readonly Cleaner[]) {}

  onApplicationBootstrap(): void {
    this.later(EVERY * Math.random());
  }

  onApplicationShutdown(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  async run(): Promise<void> {
    for (const clean of this.cleaners) {
      for (let batch = 0; batch < MAX_BATCHES && !this.stopped; batch++) {
        if ((await clean(BATCH)) < BATCH) break;
      }
    }
  }

  private later(milliseconds: number): void {
    this.timer = setTimeout(() => {
      this.run()
        .catch((error: unknown) => this.logger.warn({ err: error }, 'expired rows could not be removed yet'))
        .finally(() => {
          if (!this.stopped) this.later(EVERY);
        });
    }, milliseconds).unref();
  }
}
