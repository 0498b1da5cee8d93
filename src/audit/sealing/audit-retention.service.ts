import { Inject, Injectable, Logger } from '@nestjs/common';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { SealKeys } from './seal-keys.js';
import { checkSeal, macOfRemoval } from './seal.js';
import type { Seal } from './seal.js';
import { SealStore } from './seal.store.js';

/** Seals per run. */
const MAX_SEALS_PER_RUN = 200;

/** How long refusals are kept, in days. Anonymous clients can cause them, so they expire sooner than other events. */
export const REFUSAL_DAYS = 7;

/** Removes sealed events that are older than AUDIT_RETENTION_DAYS, and old refusals. */
@Injectable()
export class AuditRetentionService {
  private readonly logger = new Logger(AuditRetentionService.name);
  /** The last event id of the seals whose refusals this process has removed. */
  private refusalsThrough = '0';

  constructor(
    private readonly store: SealStore,
    private readonly keys: SealKeys,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Removes whole seals with about `batch` events. The newest of these seals stays as the beginning of the chain. Its HMAC shows that
   * retention removed the events. The result tells the clean-up job whether to call again: `batch` if there is more to remove, less if
   * not. It is not the exact number of removed events.
   */
  async removeExpired(batch: number): Promise<number> {
    const days = this.config.auditRetentionDays;
    if (days === 0) return 0;
    const done = await this.store.withLock(async (sql) => {
      const old = await this.store.olderThan(sql, days, MAX_SEALS_PER_RUN);
      const chosen = this.choose(old, batch);
      const last = chosen.at(-1);
      if (last === undefined) return 0;
      const removed = await this.store.removeThrough(
        sql,
        last,
        macOfRemoval(last, this.keys),
        this.keys.current,
      );
      return chosen.length < old.length || old.length === MAX_SEALS_PER_RUN
        ? batch
        : Math.min(removed, batch - 1);
    });
    return done ?? 0;
  }

  /** Removes about `batch` refusals that are older than seven days. Returns `batch` if there may be more, 0 otherwise or if another node holds the lock. */
  async removeRefusals(batch: number): Promise<number> {
    const done = await this.store.withLock(async (sql) => {
      const old = await this.store.withOldRefusals(
        sql,
        this.refusalsThrough,
        REFUSAL_DAYS,
        MAX_SEALS_PER_RUN,
      );
      const chosen = this.choose(old, batch);
      const last = chosen.at(-1);
      if (last === undefined) return 0;
      await this.store.removeRefusals(sql, chosen);
      this.refusalsThrough = last.lastId;
      return batch;
    });
    return done ?? 0;
  }

  /** The oldest seals with about `batch` events. A forged seal may claim any age, so it and all later seals stay as evidence. */
  private choose(old: readonly Seal[], batch: number): Seal[] {
    const chosen: Seal[] = [];
    let events = 0;
    for (const seal of old) {
      if (checkSeal(seal, this.keys) === 'wrong') {
        this.logger.error(
          `audit seal ${seal.id} is forged or damaged: its events and all later ones are kept`,
        );
        break;
      }
      events += seal.count;
      if (chosen.length > 0 && events > batch) break;
      chosen.push(seal);
    }
    return chosen;
  }
}
