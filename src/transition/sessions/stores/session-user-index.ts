import { Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { BackgroundLoops } from '../../../common/background-loops.js';
import type { BackgroundLoop } from '../../../common/background-loops.js';
import { SessionIndexStore } from './session-index.store.js';

/** Milliseconds between two looks: an index that could not be made is tried again then. */
const EVERY = 600_000;

/**
 * Sees to an index by which the sessions of a user are found at once, also in a table with millions of them. Without it they are
 * found too, by reading the whole table. Made without keeping anybody waiting, neither the start nor another application.
 */
@Injectable()
export class SessionUserIndex implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly loop: BackgroundLoop;

  constructor(
    private readonly store: SessionIndexStore,
    loops: BackgroundLoops,
  ) {
    const failure = 'the index on the users of sessions was not made yet';
    const run = () => this.store.ensure();
    this.loop = loops.create({ name: 'session-user-index', everyMs: EVERY, firstMs: 0, failure, run });
  }

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  async onApplicationShutdown(): Promise<void> {
    const stopped = this.loop.stop();
    await this.store.stop();
    await stopped;
  }
}
