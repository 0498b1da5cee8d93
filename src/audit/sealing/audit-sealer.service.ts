import { Injectable } from '@nestjs/common';
import type { Sql } from '../../database/database.js';
import { ChainHeadService } from './chain-head.service.js';
import { SealKeys } from './seal-keys.js';
import { SealHash, checkRemoval, checkSeal, macOfRemoval, sealOf } from './seal.js';
import type { Seal } from './seal.js';
import { SealStore } from './seal.store.js';

/** Events per seal. */
export const SEAL_SIZE = 1_000;

/** Seals per run and transaction. */
const MAX_SEALS_PER_RUN = 20;

/** How long to wait for the transactions that were writing events at the start. */
const WRITERS_TIMEOUT_MS = 3_000;
const WRITERS_POLL_MS = 10;

/** Why a chain is not continued, by the check of its newest seal. */
const OBJECTIONS = {
  right: undefined,
  wrong: 'its newest seal is forged or damaged, and no seal is added',
  unknown_key: 'its newest seal was made with another JWT_SECRET, which must be set as JWT_SECRET_PREVIOUS',
};

/** The result of one run. `busy`: another node is sealing, or a writer takes long. `more`: run again at once. */
export interface Sealing {
  readonly outcome: 'sealed' | 'more' | 'busy' | 'refused';
  /** What an administrator must know: why sealing was refused, or that the end of the chain was truncated. */
  readonly alarm?: string;
}

/**
 * Seals the events of the audit trail in ranges of ids without gaps, so that later changes, removals and insertions are detected.
 * Writing an event costs nothing extra. A range is sealed only when every transaction that may have taken one of its ids has ended. Those
 * transactions are found by the table lock that each writer holds.
 */
@Injectable()
export class AuditSealerService {
  constructor(
    private readonly store: SealStore,
    private readonly keys: SealKeys,
    private readonly chainHead: ChainHeadService,
  ) {}

  /**
   * Seals at most 20,000 events. Refuses to continue a chain whose newest seal this service did not make, because a new seal would confirm
   * the tampering. Continues a truncated chain, with an alarm. The record of the old end stays.
   */
  async seal(): Promise<Sealing> {
    const intact = await this.chainHead.isIntact();
    const sealing = await this.store.withLock((sql) => this.sealAll(sql));
    if (sealing === undefined) return { outcome: 'busy' };
    if (sealing.outcome === 'refused') return sealing;
    if (!intact) return { ...sealing, alarm: 'its chain was truncated' };
    if (sealing.newest !== undefined) await this.chainHead.record(sealing.newest);
    return sealing;
  }

  /** The age of the oldest event without a seal, in seconds. */
  async unsealedSeconds(): Promise<number> {
    const newest = await this.store.newest();
    return this.store.ageAbove(newest?.lastId ?? '0');
  }

  private async sealAll(sql: Sql): Promise<Sealing & { readonly newest?: Seal | undefined }> {
    let newest = await this.store.newest(sql);
    const alarm = newest === undefined ? undefined : OBJECTIONS[checkSeal(newest, this.keys)];
    if (alarm !== undefined) return { outcome: 'refused', alarm };
    // In this order: a transaction that took one of these ids is among the writers, or it has ended.
    const upTo = await this.store.lastAllocatedId(sql);
    if (!(await this.writersEnded(sql))) return { outcome: 'busy' };
    // None of these events is younger.
    const now = await this.store.clock(sql);
    await this.renewRemovalMark(sql);
    for (let made = 0; made < MAX_SEALS_PER_RUN; made++) {
      const seal = await this.nextSeal(sql, newest, upTo, now);
      if (seal === undefined) return { outcome: 'sealed', newest };
      await this.store.add(sql, seal);
      newest = seal;
    }
    return { outcome: 'more', newest };
  }

  /** The next seal; undefined if there is nothing to seal. After a change of JWT_SECRET one seal is made even without events. */
  private async nextSeal(
    sql: Sql,
    newest: Seal | undefined,
    upTo: string,
    now: string,
  ): Promise<Seal | undefined> {
    const firstId = newest === undefined ? 1n : BigInt(newest.lastId) + 1n;
    const secretChanged = newest !== undefined && ![newest.key, newest.secondKey].includes(this.keys.current);
    if (firstId > BigInt(upTo) && !secretChanged) return undefined;
    const events = await this.store.events(String(firstId), upTo, SEAL_SIZE, sql);
    const hash = new SealHash({ separateRefusals: true });
    for (const event of events) hash.add(event);
    const range = {
      id: newest === undefined ? '1' : String(BigInt(newest.id) + 1n),
      firstId: String(firstId),
      lastId: events.length === SEAL_SIZE ? events.at(-1)!.id : String(maxOf(BigInt(upTo), firstId - 1n)),
      sealedAt: now,
      previous: newest?.hash ?? Buffer.alloc(0),
    };
    return sealOf(range, hash, this.keys);
  }

  /** Waits until the current writers have ended. New writers take later ids. */
  private async writersEnded(sql: Sql): Promise<boolean> {
    const deadline = performance.now() + WRITERS_TIMEOUT_MS;
    const writing = await this.store.writers(sql);
    while (writing.size > 0) {
      if (performance.now() > deadline) return false;
      await new Promise((resolve) => setTimeout(resolve, WRITERS_POLL_MS));
      const still = await this.store.writers(sql);
      for (const writer of writing) if (!still.has(writer)) writing.delete(writer);
    }
    return true;
  }

  /** Renews the mark at the beginning of the chain with the current key, if the previous key made it. */
  private async renewRemovalMark(sql: Sql): Promise<void> {
    const [oldest] = await this.store.from('0', 1, sql);
    if (oldest === undefined || oldest.removedKey === null || oldest.removedKey === this.keys.current) return;
    if (checkRemoval(oldest, this.keys) !== 'right') return;
    await this.store.markRemoved(sql, oldest, macOfRemoval(oldest, this.keys), this.keys.current);
  }
}

function maxOf(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
