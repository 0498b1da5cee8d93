import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { ISSUER } from '../../tokens/access/issuer.js';
import { DatabaseClock } from '../../tokens/feed/database-clock.js';
import { RolloutService } from '../rollout/rollout.service.js';
import { NoticeStore } from './notice.store.js';

/** What session clients are told about the end of sessions. */
export interface Deprecation {
  /** Since when, in milliseconds since the epoch. */
  readonly since: number;
  /** The sunset date; null if nobody has set one. */
  readonly sunsetAt: number | null;
  readonly guideUrl: string;
}

/** The public URL of the guide that tells clients how to move to tokens. */
export function guideUrlOf(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/transition/guide`;
}

/** Knows whether sessions are deprecated, and since when. Requests cause no I/O. */
@Injectable()
export class DeprecationService implements OnModuleInit {
  private readonly logger = new Logger(DeprecationService.name);
  /** The date for one version of the rollout. */
  private known: { readonly version: number; readonly since: number | undefined } | undefined;
  private loading = false;

  constructor(
    private readonly store: NoticeStore,
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

  /** Undefined before the phase `deprecation_notice`. */
  current(): Deprecation | undefined {
    const phase = this.rollout.phase();
    if (phase !== 'deprecation_notice' && phase !== 'sessions_removed') return undefined;
    const { version, sunsetAt } = this.rollout.current();
    if (this.known?.version !== version) void this.load();
    return { since: this.known?.since ?? this.defaultSince(sunsetAt), sunsetAt, guideUrl: this.guideUrl };
  }

  /** For a rollout version whose date is still being loaded, or a sunset without a notice. */
  private defaultSince(sunsetAt: number | null): number {
    return Math.min(this.clock.now(), sunsetAt ?? Infinity);
  }

  private async load(): Promise<void> {
    if (this.loading) return;
    this.loading = true;
    try {
      const { version } = this.rollout.current();
      this.known = { version, since: await this.store.deprecatedSince() };
    } catch (error) {
      this.logger.warn({ err: error }, 'the date of the deprecation cannot be loaded yet');
    } finally {
      this.loading = false;
    }
  }
}
