import { Inject } from '@nestjs/common';
import { counted } from '../../../common/text.js';
import { CONFIG } from '../../../config/config.js';
import type { Config } from '../../../config/config.js';
import { WebhookStore } from '../../../webhooks/webhook.store.js';
import { CheckedOnNodes, DoctorCheck, ok, warn } from './doctor-check.js';
import type { Examination, Finding } from './doctor-check.js';

/** A receiver that is restarted is back by then. */
const LATE_SECONDS = 600;

/** Whether webhooks arrive. Sends none itself. Says nothing if there are none. */
@DoctorCheck()
@CheckedOnNodes()
export class WebhooksCheck implements Examination {
  constructor(
    private readonly store: WebhookStore,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  async examine(): Promise<Finding[]> {
    const { waiting, oldestSeconds, lastError } = await this.store.backlog();
    if (this.config.webhookUrl === undefined) {
      if (waiting === 0) return [];
      const message = `${counted(waiting, 'webhook')} will be given up: WEBHOOK_URL is not set`;
      return [
        warn(
          'webhooks',
          message,
          'set WEBHOOK_URL and WEBHOOK_SECRET on every node, or ignore this for a day',
        ),
      ];
    }
    if (oldestSeconds < LATE_SECONDS) return [ok('webhooks', `${counted(waiting, 'webhook')} waiting`)];
    const minutes = counted(Math.floor(oldestSeconds / 60), 'minute');
    const message = `${counted(waiting, 'webhook')} waiting, the oldest for ${minutes}: ${lastError ?? 'not sent yet'}`;
    const advice =
      'check the receiver at WEBHOOK_URL and the log of a node: after a day webhooks are given up';
    return [warn('webhooks', message, advice)];
  }
}
