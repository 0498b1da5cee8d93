import { Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { BackgroundLoops } from '../../common/background-loops.js';
import type { BackgroundLoop } from '../../common/background-loops.js';
import { AuditSealerService } from './audit-sealer.service.js';

const INTERVAL_MS = 10_000;

/** An older event without a seal raises an alarm. */
export const MAX_UNSEALED_SECONDS = 60;

/** Seals the audit trail about every ten seconds, on one node at a time. */
@Injectable()
export class SealingJob implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(SealingJob.name);
  private readonly loop: BackgroundLoop;
  private alarm = '';
  private late = false;
  private waited = 0;

  constructor(
    private readonly sealer: AuditSealerService,
    loops: BackgroundLoops,
  ) {
    const failure = 'failed to seal the audit trail; will retry';
    this.loop = loops.create({ name: 'audit-sealing', everyMs: INTERVAL_MS, failure, run: () => this.run() });
  }

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.loop.stop();
  }

  /** The age of the oldest event without a seal at the last run, no matter which node seals. */
  get unsealedSeconds(): number {
    return this.waited;
  }

  /** Whether the last run found that the trail was tampered with or restored. Only the sealing node finds out. */
  get isTampered(): boolean {
    return this.alarm !== '';
  }

  /** One run. The next run seals what this one could not. */
  async run(): Promise<void> {
    try {
      let outcome = await this.sealer.seal();
      while (outcome.outcome === 'more' && !this.loop.stopped) outcome = await this.sealer.seal();
      this.report(outcome.alarm ?? '');
    } finally {
      this.waited = await this.sealer.unsealedSeconds();
      this.reportLate();
    }
  }

  private reportLate(): void {
    const late = this.waited > MAX_UNSEALED_SECONDS;
    if (late && !this.late)
      this.logger.error(
        `audit events have waited for a seal for ${Math.round(this.waited)} s: another session of the database holds the ` +
          `sealer's lock or a transaction is open, or the trail was tampered with. See: npm run admin -- audit verify`,
      );
    if (!late && this.late) this.logger.log('the audit trail is sealed again');
    this.late = late;
  }

  /** Logs each reason once. */
  private report(alarm: string): void {
    if (alarm !== '' && alarm !== this.alarm)
      this.logger.error(
        `the audit trail was tampered with, or restored: ${alarm}. See: npm run admin -- audit verify`,
      );
    this.alarm = alarm;
  }
}
