import { Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { BackgroundLoops } from '../../../common/background-loops.js';
import type { BackgroundLoop } from '../../../common/background-loops.js';
import { SessionAttachmentStore } from '../table/session-attachment.store.js';
import { SessionTable } from '../table/session-table.js';

/** The time between two attempts to make the index. */
const RETRY_INTERVAL_MS = 600_000;

/**
 * Makes the index that finds the sessions of a user in a table with millions of rows. Without it, each search reads the whole table. It
 * is made in the background and does not block the start. Only Tandem's own table gets it: see SessionsCommand for a product's table.
 */
@Injectable()
export class SessionIndexService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly loop: BackgroundLoop;

  constructor(
    private readonly store: SessionAttachmentStore,
    private readonly table: SessionTable,
    loops: BackgroundLoops,
  ) {
    const failure = 'failed to create the index on the users of sessions; will retry';
    const run = () => this.store.ensureIndex();
    this.loop = loops.create({
      name: 'session-user-index',
      everyMs: RETRY_INTERVAL_MS,
      firstMs: 0,
      failure,
      run,
    });
  }

  onApplicationBootstrap(): void {
    if (this.table.isOwn) this.loop.start();
  }

  async onApplicationShutdown(): Promise<void> {
    const stopped = this.loop.stop();
    await this.store.stop();
    await stopped;
  }
}
