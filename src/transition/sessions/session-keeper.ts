import { Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { NO_ORIGIN } from '../../audit/audit-context.js';
import { LoginEnder } from '../../tokens/login-ender.service.js';
import { SessionLinkStore } from './session-link.store.js';
import { SessionStore } from './session.store.js';

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
export class SessionKeeper implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(SessionKeeper.name);
  private timer: NodeJS.Timeout | undefined;
  private working: Promise<void> = Promise.resolve();
  private after = FIRST;
  private looks = 0;
  private stopped = false;
  private failing = false;

  constructor(
    private readonly links: SessionLinkStore,
    private readonly store: SessionStore,
    private readonly ender: LoginEnder,
  ) {}

  onApplicationBootstrap(): void {
    const tick = () => {
      this.working = this.look()
        .then(() => void (this.failing = false))
        .catch((error: unknown) => this.failed(error))
        .finally(() => {
          if (!this.stopped) this.timer = setTimeout(tick, EVERY).unref();
        });
    };
    this.timer = setTimeout(tick, EVERY).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.working;
  }

  /** One look. */
  async look(): Promise<void> {
    await this.end(await this.links.lostRows(BATCH));
    const { next, lost } = await this.links.sweep(this.after, BATCH);
    this.after = next ?? FIRST;
    await this.end(lost ?? []);
    if (this.looks % REVIVED_EVERY === 0) await this.links.removeRevived(REVIVED_WITHIN);
    if (this.looks % CLEAN_EVERY === 0) await this.clean();
    this.looks += 1;
  }

  /** Removes what nobody needs any more. */
  private async clean(): Promise<void> {
    await this.links.removeRevived(DAY);
    await this.store.removeExpired(BATCH);
    await this.links.removeForgotten(BATCH);
  }

  private async end(logins: readonly string[]): Promise<void> {
    if (logins.length > 0) await this.ender.endSids(logins, 'logout', 'logout', NO_ORIGIN);
  }

  /** Said once until it works again. */
  private failed(error: unknown): void {
    if (!this.failing) this.logger.warn({ err: error }, 'shared sessions could not be looked at');
    this.failing = true;
  }
}
