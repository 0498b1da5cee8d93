import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { ISSUER } from '../../tokens/access/issuer.js';
import { DatabaseClock } from '../../tokens/feed/database-clock.js';
import { RolloutService } from '../rollout/rollout.service.js';
import { DeprecationStore } from './deprecation.store.js';
import { guideUrlOf } from './guide-url.js';

/** What session clients are told of the end of sessions. */
export interface Deprecation {
  /** Since when, in milliseconds since the epoch. */
  readonly since: number;
  /** When sessions end or ended; null if nobody has said. */
  readonly sunsetAt: number | null;
  readonly guideUrl: string;
}

/** Knows whether sessions are deprecated, and since when, without I/O for requests. */
@Injectable()
export class Deprecations implements OnModuleInit {
  private readonly logger = new Logger(Deprecations.name);
  /** The date that belongs to a version of the rollout. */
  private known: { readonly version: number; readonly since: number | undefined } | undefined;
  private loading = false;

  constructor(
    private readonly store: DeprecationStore,
    private readonly rollout: RolloutService,
    private readonly clock: DatabaseClock,
    @Inject(ISSUER) private readonly issuer: string,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.load();
  }

  get guideUrl(): string {
    return guideUrlOf(this.issuer);
  }

  /** Undefined before the phase of the notice. */
  current(): Deprecation | undefined {
    const phase = this.rollout.phase();
    if (phase !== 'deprecation_notice' && phase !== 'sessions_removed') return undefined;
    const { version, sunsetAt } = this.rollout.current();
    if (this.known?.version !== version) void this.load();
    return { since: this.known?.since ?? this.unrecorded(sunsetAt), sunsetAt, guideUrl: this.guideUrl };
  }

  /** A change that is being read, or a sunset that came without a notice. */
  private unrecorded(sunsetAt: number | null): number {
    return Math.min(this.clock.now(), sunsetAt ?? Infinity);
  }

  private async load(): Promise<void> {
    if (this.loading) return;
    this.loading = true;
    try {
      const { version } = this.rollout.current();
      this.known = { version, since: await this.store.since() };
    } catch (error) {
      this.logger.warn({ err: error }, 'since when sessions are deprecated is not known yet');
    } finally {
      this.loading = false;
    }
  }
}
