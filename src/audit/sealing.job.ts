import { Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { BackgroundLoops } from '../common/background-loops.js';
import type { BackgroundLoop } from '../common/background-loops.js';
import { AuditSealer } from './audit-sealer.service.js';

/** Milliseconds. */
const EVERY = 10_000;

/** Events that have waited longer than this for a seal are an alarm, in seconds. */
export const LATE = 60;

/** Has the audit trail sealed about every ten seconds, on one node at a time. */
@Injectable()
export class SealingJob implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(SealingJob.name);
  private readonly loop: BackgroundLoop;
  private alarm = '';
  private late = false;
  private waited = 0;

  constructor(
    private readonly sealer: AuditSealer,
    loops: BackgroundLoops,
  ) {
    const failure = 'the audit trail could not be sealed yet';
    this.loop = loops.create({ name: 'audit-sealing', everyMs: EVERY, failure, run: () => this.run() });
  }

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.loop.stop();
  }

  /** How long the oldest event without a seal has waited, as of the last look; whichever node seals. */
  get unsealedSeconds(): number {
    return this.waited;
  }

  /** Events that could not be sealed are sealed by the next run. */
  async run(): Promise<void> {
    try {
      let outcome = await this.sealer.seal();
      while (outcome.outcome === 'more' && !this.loop.stopped) outcome = await this.sealer.seal();
      this.tell(outcome.alarm ?? '');
    } finally {
      this.waited = await this.sealer.unsealedSeconds();
      this.tellLate();
    }
  }

  private tellLate(): void {
    const late = this.waited > LATE;
    if (late && !this.late)
      this.logger.error(
        `audit events have waited for a seal for ${Math.round(this.waited)} s: another session of the database holds the ` +
          `sealer's lock or a transaction is open, or the trail was tampered with. See: npm run admin -- audit verify`,
      );
    if (!late && this.late) this.logger.log('the audit trail is sealed again');
    this.late = late;
  }

  /** Once for each reason: it stays until somebody does something. */
  private tell(alarm: string): void {
    if (alarm !== '' && alarm !== this.alarm)
      this.logger.error(
        `the audit trail was tampered with, or restored: ${alarm}. See: npm run admin -- audit verify`,
      );
    this.alarm = alarm;
  }
}
