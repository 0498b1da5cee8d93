import { Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { BackgroundLoops } from '../../common/background-loops.js';
import type { BackgroundLoop } from '../../common/background-loops.js';
import { Metrics } from '../../operations/metrics.js';
import { NoticeRecipientStore } from './notice-recipient.store.js';
import { NoticeSenderService } from './notice-sender.service.js';

/** How often the waiting mails are counted. */
const INTERVAL_MS = 15_000;

/** The mails of deprecation notices as Prometheus metrics. */
@Injectable()
export class NoticeMetrics implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly loop: BackgroundLoop;
  private waiting = 0;

  constructor(
    recipients: NoticeRecipientStore,
    sender: NoticeSenderService,
    loops: BackgroundLoops,
    metrics: Metrics,
  ) {
    this.loop = loops.create({
      name: 'waiting-notices',
      everyMs: INTERVAL_MS,
      failure: 'failed to count the waiting mails; will retry',
      run: async () => {
        this.waiting = await recipients.waiting();
      },
    });
    metrics.gauge('tandem_mails_waiting', 'Mails of notices that are not sent yet', () => this.waiting);
    metrics.counters('tandem_mails_total', 'Attempts to send mails, by outcome', 'outcome', () => ({
      ...sender.attempts,
    }));
  }

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.loop.stop();
  }
}
