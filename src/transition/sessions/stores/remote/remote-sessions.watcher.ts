import { Inject, Injectable, Optional } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { BackgroundLoops } from '../../../../common/background-loops.js';
import type { BackgroundLoop } from '../../../../common/background-loops.js';
import { SessionStore } from '../session.store.js';
import { RemoteSessionStore } from './remote-session.store.js';
import { RemoteSessions } from './remote-sessions.js';
import { UnseenSessionsService } from './unseen-sessions.service.js';

const SEARCH_INTERVAL_MS = 1_000;

const WATCH_INTERVAL_MS = 5_000;

/** Reports are collected for this long, so that one look serves many. */
const LOOK_INTERVAL_MS = 100;

/** Reported sessions that wait for a look. More are found by the sweep and at their next use. */
const MOST_REPORTED = 10_000;
const LOOK = 250;

/** Follows a store outside of the database: its reports of changes, and the searches for unseen sessions that no revocation has finished. */
@Injectable()
export class RemoteSessionsWatcher implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly loops: readonly BackgroundLoop[];
  private readonly reported = new Set<string>();

  constructor(
    @Optional() @Inject(RemoteSessions) private readonly remote: RemoteSessions | undefined,
    @Inject(SessionStore) private readonly store: SessionStore,
    unseen: UnseenSessionsService,
    loops: BackgroundLoops,
  ) {
    if (remote === undefined) {
      this.loops = [];
      return;
    }
    this.loops = [
      loops.create({
        name: 'unseen-sessions',
        everyMs: SEARCH_INTERVAL_MS,
        failure: 'failed to search the sessions of revoked users; will retry',
        run: () => unseen.search(),
      }),
      loops.create({
        name: 'session-reports',
        everyMs: WATCH_INTERVAL_MS,
        firstMs: 0,
        failure: 'the store of the sessions reports no changes',
        run: () => remote.watch((sids) => this.note(sids)),
      }),
      loops.create({
        name: 'reported-sessions',
        everyMs: LOOK_INTERVAL_MS,
        failure: 'failed to read sessions that may have ended; will retry',
        run: () => this.look(),
      }),
    ];
  }

  onApplicationBootstrap(): void {
    for (const loop of this.loops) loop.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.stop()));
    await this.remote?.close();
  }

  private note(sids: readonly string[]): void {
    for (const sid of sids) if (this.reported.size < MOST_REPORTED) this.reported.add(sid);
  }

  /** The sweep revokes the families of those that are gone. */
  private async look(): Promise<void> {
    while (this.reported.size > 0 && this.store instanceof RemoteSessionStore) {
      const sids = [...this.reported].slice(0, LOOK);
      for (const sid of sids) this.reported.delete(sid);
      await this.store.refreshRecorded(sids);
    }
  }
}
