import { Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { NO_ORIGIN } from '../../../audit/audit-context.js';
import { BackgroundLoops } from '../../../common/background-loops.js';
import type { BackgroundLoop } from '../../../common/background-loops.js';
import { RevocationService } from '../../../tokens/families/revocation.service.js';
import { SessionLinkStore } from './session-link.store.js';
import { SessionRowStore } from '../stores/session-row.store.js';

/** Between two looks, in milliseconds: how long a login may outlive its session that ended in another application. */
const EVERY = 400;

/** Linked sessions looked at each time: with more of them it takes several looks to see all. */
const BATCH = 1_000;

/** Every so many looks, and seconds that are looked back at. */
const REVIVED_EVERY = 10;
const REVIVED_WITHIN = 60;

/** Every so many looks. */
const CLEAN_EVERY = 150;

const FIRST = '00000000-0000-0000-0000-000000000000';
const DAY = 86_400;

/**
 * Follows what another application does to the sessions that it shares with this service: a login whose session was ended there
 * ends too, a session that it shortened lives as long as its login again, and one that ended here stays ended there. Nodes may do it
 * at once: each step is harmless when done twice.
 */
@Injectable()
export class SessionWatcherService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly loop: BackgroundLoop;
  private after = FIRST;
  private looks = 0;

  constructor(
    private readonly links: SessionLinkStore,
    private readonly rows: SessionRowStore,
    private readonly revocations: RevocationService,
    loops: BackgroundLoops,
  ) {
    const failure = 'shared sessions could not be looked at';
    this.loop = loops.create({ name: 'shared-sessions', everyMs: EVERY, failure, run: () => this.look() });
  }

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.loop.stop();
  }

  /** One look. */
  async look(): Promise<void> {
    await this.end(await this.links.lostRows(BATCH));
    const { next, lost, short } = await this.links.sweep(this.after, BATCH);
    this.after = next ?? FIRST;
    await this.end(lost);
    await this.rows.extend(short);
    if (this.looks % REVIVED_EVERY === 0) await this.rows.endRevived(REVIVED_WITHIN, BATCH);
    if (this.looks % CLEAN_EVERY === 0) await this.clean();
    this.looks += 1;
  }

  /** Removes what nobody needs any more. */
  private async clean(): Promise<void> {
    await this.rows.endRevived(DAY, BATCH);
    await this.rows.removeExpired(BATCH);
    await this.links.removeForgotten(BATCH);
  }

  private async end(logins: readonly string[]): Promise<void> {
    if (logins.length > 0) await this.revocations.revokeFamilies(logins, 'logout', 'logout', NO_ORIGIN);
  }
}
