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
  /** How many of the events are refusals; null if the seal does not treat them apart. */
  readonly refusals: number | null;
  readonly refusalsHash: Buffer | null;
  readonly secondMac: Buffer | null;
  readonly secondKey: string | null;
  readonly removedMac: Buffer | null;
  readonly removedKey: string | null;
}

/** A seal in the making. */
export type SealRange = Pick<Seal, 'id' | 'firstId' | 'lastId' | 'sealedAt' | 'previous'>;

/** What is proved of the refusals of a range. */
export interface RefusalsProof {
  readonly refusals: number;
  readonly refusalsHash: Buffer;
}

/**
 * The hash of a range, event by event, in the order of ids. Refusals have a hash of their own, which the hash of the range covers: so it
 * can be computed without them once they are removed. Seals of earlier releases do not treat them apart.
 */
export class SealHash {
  /** Without refusals that are treated apart. */
  private others = 0;
  private refusals = 0;
  private readonly hash: Hash = createHash('sha256');
  private readonly refusalsHash: Hash | undefined;

  constructor({ apart }: { readonly apart: boolean }) {
    this.refusalsHash = apart ? createHash('sha256') : undefined;
  }

  get count(): number {
    return this.others + this.refusals;
  }

  add(event: SealedEvent): void {
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
    const text = `${JSON.stringify(row)}\n`;
    if (event.event === 'refusal' && this.refusalsHash !== undefined) {
      this.refusals += 1;
      this.refusalsHash.update(text);
    } else {
      this.others += 1;
      this.hash.update(text);
    }
  }

  /** Of the refusals that were added; undefined if they are not treated apart. */
  refusalsProof(): RefusalsProof | undefined {
    return this.refusalsHash && { refusals: this.refusals, refusalsHash: this.refusalsHash.copy().digest() };
  }

  /** The range comes last, when the count is known. `proof`: of the refusals, present or removed. */
  digest({ id, firstId, lastId, sealedAt, previous }: SealRange, proof = this.refusalsProof()): Buffer {
    const count = this.others + (proof?.refusals ?? 0);
    const range = [id, firstId, lastId, count, sealedAt, previous.toString('hex')];
    const apart = proof === undefined ? [] : [proof.refusals, proof.refusalsHash.toString('hex')];
    return this.hash
      .copy()
      .update(JSON.stringify([...range, ...apart]))
      .digest();
  }
}

/** The seal over the range, by the current key, and by the previous one for nodes that have only that. */
export function sealOf(range: SealRange, events: SealHash, keys: SealKeys): Seal {
  const { refusals, refusalsHash } = events.refusalsProof() ?? { refusals: null, refusalsHash: null };
  const unsigned = { ...range, count: events.count, hash: events.digest(range), refusals, refusalsHash };
  const second = keys.previous;
  return {
    ...unsigned,
    key: keys.current,
    mac: keys.mac('seal', signed(unsigned)),
    secondKey: second ?? null,
    secondMac: second === undefined ? null : keys.mac('seal', signed(unsigned), second),
    removedMac: null,
    removedKey: null,
  };
}

/** Whether this service made it. */
export function checkSeal(seal: Seal, keys: SealKeys): MacCheck {
  const check = keys.check('seal', signed(seal), seal.mac, seal.key);
  if (check !== 'unknown_key' || seal.secondMac === null || seal.secondKey === null) return check;
  return keys.check('seal', signed(seal), seal.secondMac, seal.secondKey);
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

function signed(seal: SealRange & Pick<Seal, 'count' | 'hash'>): readonly (string | number)[] {
  const { id, firstId, lastId, count, sealedAt, previous, hash } = seal;
  return [id, firstId, lastId, count, sealedAt, previous.toString('hex'), hash.toString('hex')];
}
