import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { Clock } from '../../common/clock.js';
import { DatabaseClock } from '../../tokens/feed/database-clock.js';
import { RolloutService } from '../rollout/rollout.service.js';
import { GUIDE_URL } from './guide-url.js';
import { NoticeStore } from './notice.store.js';

/** The information about the end of sessions for clients that use them. */
export interface Deprecation {
  /** Since when, in milliseconds since the epoch. */
  readonly since: number;
  /** The sunset date; null if nobody has set one. */
  readonly sunsetAt: number | null;
  readonly guideUrl: string;
}

/** How long requests start no reload after a failed one, in milliseconds. */
const RETRY_AFTER_MS = 1_000;

/**
 * Tells whether and since when sessions are deprecated. Requests never wait for the database; the first request after a rollout change
 * starts a reload in the background. At most one reload runs at a time, and none within a second of a failure.
 */
@Injectable()
export class DeprecationService implements OnModuleInit {
  private readonly logger = new Logger(DeprecationService.name);
  /** The date for one version of the rollout. */
  private known: { readonly version: number; readonly since: number | undefined } | undefined;
  private loading = false;
  /** On the monotonic clock: no request starts a reload earlier. */
  private retryAt = 0;

  constructor(
    private readonly store: NoticeStore,
    private readonly rollout: RolloutService,
    private readonly databaseClock: DatabaseClock,
    private readonly clock: Clock,
    @Inject(GUIDE_URL) readonly guideUrl: string,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.load();
  }

  /** Returns the current deprecation; undefined before the phase `deprecation_notice`. */
  current(): Deprecation | undefined {
    const phase = this.rollout.phase();
    if (phase !== 'deprecation_notice' && phase !== 'sessions_removed') return undefined;
    const { version, sunsetAt } = this.rollout.current();
    if (this.known?.version !== version && this.clock.monotonic() >= this.retryAt) void this.load();
    return { since: this.known?.since ?? this.defaultSince(sunsetAt), sunsetAt, guideUrl: this.guideUrl };
  }

  /** Returns the date of the deprecation while it is still being loaded, and for a sunset without a notice. */
  private defaultSince(sunsetAt: number | null): number {
    return Math.min(this.databaseClock.now(), sunsetAt ?? Infinity);
  }

  private async load(): Promise<void> {
    if (this.loading) return;
    this.loading = true;
    try {
      const { version } = this.rollout.current();
      this.known = { version, since: await this.store.deprecatedSince() };
    } catch (error) {
      this.retryAt = this.clock.monotonic() + RETRY_AFTER_MS;
      this.logger.warn({ err: error }, 'failed to load the date of the deprecation; will retry');
    } finally {
      this.loading = false;
    }
  }
}
