import { Injectable } from '@nestjs/common';
import type { Sql } from '../database/database.js';
import { NotedHead } from './noted-head.js';
import { SealKeys } from './seal-keys.js';
import { SealHash, checkRemoval, checkSeal, macOfRemoval, sealOf } from './seal.js';
import type { Seal } from './seal.js';
import { SealStore } from './seal.store.js';

/** Events in a seal. */
export const SEAL_SIZE = 1_000;

/** Seals in one transaction. */
const MAX_SEALS = 20;

/** How long those are waited for who were writing when the look began, in milliseconds. */
const PATIENCE = 3_000;
const LOOK_EVERY = 10;

const OBJECTIONS = {
  right: undefined,
  wrong: 'its newest seal is forged or damaged, and none is added',
  unknown_key:
    'its newest seal was made with another JWT_SECRET, which has to be given as JWT_SECRET_PREVIOUS',
};

/** What came of a look. `busy`: another node is at it, or a writer takes long; `more`: at once again. */
export interface Sealing {
  readonly outcome: 'sealed' | 'more' | 'busy' | 'refused';
  /** What an administrator must know: why it was refused, or that the end of the chain is not the one that was there. */
  readonly alarm?: string;
}

/**
 * Seals what the audit trail holds, in ranges of ids that follow each other without a gap, so that what is changed,
 * removed or inserted later shows. Writing an event costs nothing more for it: an id is in a sealed range only when every
 * transaction that may have taken it has ended, and those are known by the lock on the table that they hold anyway.
 */
@Injectable()
export class AuditSealer {
  constructor(
    private readonly store: SealStore,
    private readonly keys: SealKeys,
    private readonly noted: NotedHead,
  ) {}

  /**
   * Seals at most 20,000 events. Refuses to continue a chain whose end this service has not made: a new seal would vouch for
   * whatever was done to the old ones. A chain that was cut off is continued, with an alarm; what is noted of the old end stays.
   */
  async seal(): Promise<Sealing> {
    const kept = await this.noted.isAsNoted();
    const sealing = await this.store.withLock((sql) => this.sealAll(sql));
    if (sealing === undefined) return { outcome: 'busy' };
    if (sealing.outcome === 'refused') return sealing;
    if (!kept) return { ...sealing, alarm: 'the end of its chain is gone that was there before' };
    if (sealing.newest !== undefined) await this.noted.note(sealing.newest);
    return sealing;
  }

  /** How long the oldest event without a seal has waited, in seconds. */
  async unsealedSeconds(): Promise<number> {
    const newest = await this.store.newest();
    return this.store.ageAbove(newest?.lastId ?? '0');
  }

  private async sealAll(sql: Sql): Promise<Sealing & { readonly newest?: Seal | undefined }> {
    let newest = await this.store.newest(sql);
    const alarm = newest === undefined ? undefined : OBJECTIONS[checkSeal(newest, this.keys)];
    if (alarm !== undefined) return { outcome: 'refused', alarm };
    // First what has been given out, then who is writing: whoever took one of these ids is seen, or has ended.
    const upTo = await this.store.givenOut(sql);
    if (!(await this.settled(sql))) return { outcome: 'busy' };
    // No event of these is younger.
    const now = await this.store.clock(sql);
    await this.takeOver(sql);
    for (let made = 0; made < MAX_SEALS; made++) {
      const next = await this.next(sql, newest, upTo, now);
      if (next === undefined) return { outcome: 'sealed', newest };
      await this.store.add(sql, next);
      newest = next;
    }
    return { outcome: 'more', newest };
  }

  /** Undefined when there is nothing to seal. After a change of JWT_SECRET one seal is made in any case. */
  private async next(
    sql: Sql,
    newest: Seal | undefined,
    upTo: string,
    now: string,
  ): Promise<Seal | undefined> {
    const firstId = newest === undefined ? 1n : BigInt(newest.lastId) + 1n;
    const renewed = newest !== undefined && ![newest.key, newest.secondKey].includes(this.keys.current);
    if (firstId > BigInt(upTo) && !renewed) return undefined;
    const events = await this.store.events(String(firstId), upTo, SEAL_SIZE, sql);
    const hash = new SealHash({ apart: true });
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

  /** Whoever was writing has ended. New writers take later ids. */
  private async settled(sql: Sql): Promise<boolean> {
    const deadline = performance.now() + PATIENCE;
    const writing = await this.store.writers(sql);
    while (writing.size > 0) {
      if (performance.now() > deadline) return false;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
      const still = await this.store.writers(sql);
      for (const writer of writing) if (!still.has(writer)) writing.delete(writer);
    }
    return true;
  }

  /** What the previous key says of the beginning of the chain the current one says from now on. */
  private async takeOver(sql: Sql): Promise<void> {
    const [oldest] = await this.store.from('0', 1, sql);
    if (oldest === undefined || oldest.removedKey === null || oldest.removedKey === this.keys.current) return;
    if (checkRemoval(oldest, this.keys) !== 'right') return;
    await this.store.markRemoved(sql, oldest, macOfRemoval(oldest, this.keys), this.keys.current);
  }
}

function maxOf(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
