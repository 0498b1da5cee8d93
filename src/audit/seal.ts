import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import type { MacCheck, SealKeys } from './seal-keys.js';

/** An event with every value as PostgreSQL writes it, so that its bytes are the same wherever it is read. */
export interface SealedEvent {
  readonly id: string;
  /** Microseconds since the epoch. */
  readonly at: string;
  readonly event: string;
  readonly cause: string | null;
  readonly user_id: string | null;
  readonly actor_id: string | null;
  readonly sid: string | null;
  readonly ip: string | null;
  readonly user_agent: string | null;
  readonly request_id: string | null;
  readonly count: string;
  readonly detail: string | null;
}

export interface Seal {
  readonly id: string;
  readonly firstId: string;
  readonly lastId: string;
  readonly count: number;
  /** Microseconds since the epoch. */
  readonly sealedAt: string;
  readonly previous: Buffer;
  readonly hash: Buffer;
  readonly mac: Buffer;
  readonly key: string;
  readonly removedMac: Buffer | null;
  readonly removedKey: string | null;
}

/** A seal in the making. */
export type SealRange = Pick<Seal, 'id' | 'firstId' | 'lastId' | 'sealedAt' | 'previous'>;

/** The hash of a range, event by event, in the order of ids. */
export class SealHash {
  count = 0;
  private readonly hash: Hash = createHash('sha256');

  add(event: SealedEvent): void {
    this.count += 1;
    const { id, at, cause, user_id, actor_id, sid, ip, user_agent, request_id, count, detail } = event;
    const row = [
      id,
      at,
      event.event,
      cause,
      user_id,
      actor_id,
      sid,
      ip,
      user_agent,
      request_id,
      count,
      detail,
    ];
    // JSON has no line break of its own: no two lists of events have the same bytes.
    this.hash.update(`${JSON.stringify(row)}\n`);
  }

  /** The range comes last, when the count is known. */
  digest({ id, firstId, lastId, sealedAt, previous }: SealRange): Buffer {
    const range = [id, firstId, lastId, this.count, sealedAt, previous.toString('hex')];
    return this.hash.update(JSON.stringify(range)).digest();
  }
}

/** The seal over the range, by the current key. */
export function sealOf(range: SealRange, events: SealHash, keys: SealKeys): Seal {
  const unsigned = { ...range, count: events.count, hash: events.digest(range), key: keys.current };
  return { ...unsigned, mac: keys.mac('seal', signed(unsigned)), removedMac: null, removedKey: null };
}

/** Whether this service made it. */
export function checkSeal(seal: Seal, keys: SealKeys): MacCheck {
  return keys.check('seal', signed(seal), seal.mac, seal.key);
}

/** For {@link Seal.removedMac}. */
export function macOfRemoval(seal: Seal, keys: SealKeys): Buffer {
  return keys.mac('removed', signed(seal));
}

/** Whether it was retention that removed its events and all before. `none`: nobody says that. */
export function checkRemoval(seal: Seal, keys: SealKeys): MacCheck | 'none' {
  if (seal.removedMac === null || seal.removedKey === null) return 'none';
  return keys.check('removed', signed(seal), seal.removedMac, seal.removedKey);
}

function signed(seal: Omit<Seal, 'mac' | 'key' | 'removedMac' | 'removedKey'>): readonly (string | number)[] {
  const { id, firstId, lastId, count, sealedAt, previous, hash } = seal;
  return [id, firstId, lastId, count, sealedAt, previous.toString('hex'), hash.toString('hex')];
}
