import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { RowAlarms } from '../../audit/row-alarms.js';
import { RowMacs } from '../../common/crypto/row-macs.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { Database } from '../../database/database.js';
import type { Sql } from '../../database/database.js';
import { ServiceStateStore } from '../../database/service-state.store.js';
import { KeyOpenerService } from '../keys/key-opener.service.js';
import { ChangeFeed } from '../feed/change-feed.js';

const TOPIC = 'token_expiry';

/** Within this time every node has read the change or stopped serving: longer than the lease of the change feed. */
const PROPAGATION_MS = 1_000;

/**
 * The greatest TOKEN_EXPIRY that this installation ever had. No token of ours lives longer. The database stores it with a MAC, so that
 * somebody who can only write to the database cannot raise it.
 */
@Injectable()
export class TokenLifetimeService {
  private readonly macs: RowMacs;
  private greatest: number;
  private raised = false;

  constructor(
    private readonly database: Database,
    private readonly state: ServiceStateStore,
    private readonly alarms: RowAlarms,
    opener: KeyOpenerService,
    feed: ChangeFeed,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    this.macs = new RowMacs('service_state', config);
    this.greatest = config.tokenExpiry;
    opener.onOpen((sql, upgradesToMacs) => this.raise(sql, upgradesToMacs));
    feed.subscribe(TOPIC, () => this.reload());
  }

  /** The greatest TOKEN_EXPIRY, in seconds. */
  get longest(): number {
    return this.greatest;
  }

  /** Resolves when every other serving node accepts the tokens that this node will sign. */
  async settled(): Promise<void> {
    if (this.raised) await delay(PROPAGATION_MS);
  }

  private async raise(sql: Sql, upgradesToMacs: boolean): Promise<void> {
    const kept = await this.state.tokenExpiry(sql);
    // Earlier releases stored the sum of TOKEN_EXPIRY and CLOCK_TOLERANCE.
    const known = upgradesToMacs && kept.expiry === null ? kept.maxTokenLifetime : this.trusted(kept);
    const greatest = Math.max(known, this.config.tokenExpiry);
    this.raised = known > 0 && greatest > known;
    this.greatest = greatest;
    if (greatest === kept.expiry && known === greatest && this.macs.isComplete(kept.macs)) return;
    await this.state.setTokenExpiry(sql, greatest, this.macs.make(['token_expiry', greatest]));
    await this.state.bump(sql, TOPIC);
    this.alarms.clear('service_state', 'token_expiry');
  }

  private async reload(): Promise<void> {
    const known = this.trusted(await this.state.tokenExpiry(this.database));
    this.greatest = Math.max(known, this.config.tokenExpiry);
  }

  /** 0 if there is none, or if this service did not write it. */
  private trusted({ expiry, macs }: { readonly expiry: number | null; readonly macs: unknown }): number {
    if (expiry === null) return 0;
    if (this.macs.verify(['token_expiry', expiry], macs) === 'right') return expiry;
    const message = 'the greatest TOKEN_EXPIRY in it is not used';
    this.alarms.raise('service_state', { id: 'token_expiry', reason: 'not_ours', message });
    return 0;
  }
}
