import { Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { NO_ORIGIN } from '../../../audit/audit-context.js';
import { BackgroundLoops } from '../../../common/background-loops.js';
import type { BackgroundLoop } from '../../../common/background-loops.js';
import { RevocationService } from '../../../tokens/families/revocation.service.js';
import { SessionLinkStore } from './session-link.store.js';
import { SessionStore } from '../stores/session.store.js';

/** If another application ends a session, its family may live this much longer. */
const POLL_INTERVAL_MS = 400;

/** Linked sessions in one poll. If there are more, it takes several polls to read all. */
const BATCH = 1_000;

/** The number of polls between two searches for revived rows. */
const REVIVED_EVERY = 10;

/** A search finds sessions that were revoked within this time, in seconds. */
const REVIVED_WITHIN = 60;

/** The number of polls between two clean-ups. */
const CLEAN_EVERY = 150;

const FIRST = '00000000-0000-0000-0000-000000000000';
const DAY = 86_400;

/**
 * Follows what another application does to shared sessions. If it ends a session, the linked family is revoked. If it shortens a session,
 * the session is extended to the life of its family. If it revives a session that was revoked here, the row is removed again. Several
 * nodes may do this at once: each step is idempotent.
 */
@Injectable()
export class SessionWatcherService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly loop: BackgroundLoop;
  private after = FIRST;
  private polls = 0;

  constructor(
    private readonly links: SessionLinkStore,
    private readonly sessions: SessionStore,
    private readonly revocations: RevocationService,
    loops: BackgroundLoops,
  ) {
    const failure = 'failed to poll linked sessions; will retry';
    this.loop = loops.create({
      name: 'shared-sessions',
      everyMs: POLL_INTERVAL_MS,
      failure,
      run: () => this.poll(),
    });
  }

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.loop.stop();
  }

  /** Polls once. */
  async poll(): Promise<void> {
    await this.revoke(await this.links.lostRows(BATCH));
    const { next, lost, short } = await this.sessions.sweep(this.after, BATCH);
    this.after = next ?? FIRST;
    await this.revoke(lost);
    await this.sessions.extend(short);
    if (this.polls % REVIVED_EVERY === 0) await this.sessions.removeRevived(REVIVED_WITHIN, BATCH);
    if (this.polls % CLEAN_EVERY === 0) await this.clean();
    this.polls += 1;
  }

  /** Removes expired rows and unused links. */
  private async clean(): Promise<void> {
    await this.sessions.removeRevived(DAY, BATCH);
    await this.sessions.removeExpired(BATCH);
    await this.links.removeForgotten(BATCH);
  }

  private async revoke(families: readonly string[]): Promise<void> {
    if (families.length > 0) await this.revocations.revokeFamilies(families, 'logout', 'logout', NO_ORIGIN);
  }
}
