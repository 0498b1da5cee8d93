import { Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { SessionIndexStore } from './session-index.store.js';

/**
 * Sees to an index by which the sessions of a user are found at once, also in a table with millions of them. Without it they are
 * found too, by reading the whole table. Made without keeping anybody waiting, neither the start nor another application.
 */
@Injectable()
export class SessionUserIndex implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(SessionUserIndex.name);
  private making: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(private readonly store: SessionIndexStore) {}

  onApplicationBootstrap(): void {
    this.making = this.store.ensure().catch((error: unknown) => {
      if (!this.stopped)
        this.logger.warn(
          { err: error },
          'the index on the users of sessions was not made; it is tried at the next start',
        );
    });
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    await this.store.stop();
    await this.making;
  }
}
