import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { BACKGROUND } from '../common/background.js';
import { AuditSealer } from './audit-sealer.service.js';

/** Milliseconds. */
const EVERY = 10_000;

/** Has the audit trail sealed about every ten seconds, on one node at a time. */
@Injectable()
export class SealingJob implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(SealingJob.name);
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private alarm = '';
  private stopped = false;

  constructor(
    private readonly sealer: AuditSealer,
    @Inject(BACKGROUND) private readonly background: boolean,
  ) {}

  /** After a random part of the interval, so that nodes started together do not meet. */
  onApplicationBootstrap(): void {
    if (this.background) this.later(EVERY * Math.random());
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.running;
  }

  /** Never throws: what could not be sealed is sealed the next time. */
  async run(): Promise<void> {
    try {
      let outcome = await this.sealer.seal();
      while (outcome.outcome === 'more' && !this.stopped) outcome = await this.sealer.seal();
      this.tell(outcome.alarm ?? '');
    } catch (error) {
      this.logger.warn({ err: error }, 'the audit trail could not be sealed yet');
    }
  }

  /** Once for each reason: it stays until somebody does something. */
  private tell(alarm: string): void {
    if (alarm !== '' && alarm !== this.alarm)
      this.logger.error(
        `the audit trail was tampered with, or restored: ${alarm}. See: npm run admin -- audit verify`,
      );
    this.alarm = alarm;
  }

  private later(milliseconds: number): void {
    this.timer = setTimeout(() => {
      this.running = this.run().then(() => {
        if (!this.stopped) this.later(EVERY);
      });
    }, milliseconds).unref();
  }
}
