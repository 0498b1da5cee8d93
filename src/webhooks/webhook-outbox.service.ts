import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import type { Sql } from '../database/database.js';
import { WebhookStore } from './webhook.store.js';
import type { UserEvent } from './webhook.store.js';

/**
 * Writes events into the outbox, in the transaction of the change: an event exists if and only if the change was committed. Does nothing,
 * at no cost, while `WEBHOOK_URL` is unset. All nodes and commands must have the same setting: each one writes the events of its own
 * changes.
 */
@Injectable()
export class WebhookOutbox {
  private readonly enabled: boolean;

  constructor(
    private readonly store: WebhookStore,
    @Inject(CONFIG) { webhookUrl }: Pick<Config, 'webhookUrl'>,
  ) {
    this.enabled = webhookUrl !== undefined;
  }

  /** The caller must hold a row lock on the user, so that versions rise in the order of the changes. */
  async add(sql: Sql, event: UserEvent): Promise<void> {
    if (this.enabled) await this.store.addUserEvent(sql, event);
  }

  /** Writes one `login.revoked` event for each family. Pass only families that were live before. `reason`: why they were revoked. */
  async addRevokedLogins(
    sql: Sql,
    logins: readonly { readonly sid: string; readonly userId: string }[],
    reason: string,
  ): Promise<void> {
    if (this.enabled && logins.length > 0) await this.store.addRevokedLogins(sql, logins, reason);
  }
}
