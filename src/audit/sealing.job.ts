import { Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { BackgroundLoops } from '../common/background-loops.js';
import type { BackgroundLoop } from '../common/background-loops.js';
import { AuditSealer } from './audit-sealer.service.js';

/** Milliseconds. */
const EVERY = 10_000;

/** Has the audit trail sealed about every ten seconds, on one node at a time. */
@Injectable()
export class SealingJob implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(SealingJob.name);
  private readonly loop: BackgroundLoop;
  private alarm = '';

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

  /** Events that could not be sealed are sealed by the next run. */
  async run(): Promise<void> {
    let outcome = await this.sealer.seal();
    while (outcome.outcome === 'more' && !this.loop.stopped) outcome = await this.sealer.seal();
    this.tell(outcome.alarm ?? '');
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
