import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import type { MacCheck, SealKeys } from './seal-keys.js';

/** An event with every value as PostgreSQL prints it, so that its bytes are the same everywhere. */
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
  /** How many of the events are refusals. Null if the seal does not hash them separately. */
  readonly refusals: number | null;
  readonly refusalsHash: Buffer | null;
  readonly secondMac: Buffer | null;
  readonly secondKey: string | null;
  readonly removedMac: Buffer | null;
  readonly removedKey: string | null;
}

/** The range of a new seal. */
export type SealRange = Pick<Seal, 'id' | 'firstId' | 'lastId' | 'sealedAt' | 'previous'>;

/** The number and the hash of the refusals in a range. */
export interface RefusalsDigest {
  readonly refusals: number;
  readonly refusalsHash: Buffer;
}

/**
 * The hash of a range, computed event by event in the order of ids. Refusals have a separate hash, which the hash of the range covers. So
 * the hash can still be verified when retention has removed the refusals. Seals from earlier releases do not hash refusals separately.
 */
export class SealHash {
  /** The number of events in the main hash. */
  private others = 0;
  private refusals = 0;
  private readonly hash: Hash = createHash('sha256');
  private readonly refusalsHash: Hash | undefined;

  constructor({ separateRefusals }: { readonly separateRefusals: boolean }) {
    this.refusalsHash = separateRefusals ? createHash('sha256') : undefined;
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
    // JSON contains no line break, so no two lists of events have the same bytes.
    const text = `${JSON.stringify(row)}\n`;
    if (event.event === 'refusal' && this.refusalsHash !== undefined) {
      this.refusals += 1;
      this.refusalsHash.update(text);
    } else {
      this.others += 1;
      this.hash.update(text);
    }
  }

  /** The digest of the added refusals. Undefined if they are not hashed separately. */
  refusalsDigest(): RefusalsDigest | undefined {
    return this.refusalsHash && { refusals: this.refusals, refusalsHash: this.refusalsHash.copy().digest() };
  }

  /**
   * Finishes the digest with the range, once the count is known. `separate`: the digest of the refusals, even if retention has removed
   * them.
   */
  digest({ id, firstId, lastId, sealedAt, previous }: SealRange, separate = this.refusalsDigest()): Buffer {
    const count = this.others + (separate?.refusals ?? 0);
    const range = [id, firstId, lastId, count, sealedAt, previous.toString('hex')];
    const refusals = separate === undefined ? [] : [separate.refusals, separate.refusalsHash.toString('hex')];
    return this.hash
      .copy()
      .update(JSON.stringify([...range, ...refusals]))
      .digest();
  }
}

/** Makes the seal over a range with the current key, and with the previous key for nodes that have only that one. */
export function sealOf(range: SealRange, events: SealHash, keys: SealKeys): Seal {
  const { refusals, refusalsHash } = events.refusalsDigest() ?? { refusals: null, refusalsHash: null };
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

/** Whether this service made the seal. */
export function checkSeal(seal: Seal, keys: SealKeys): MacCheck {
  const check = keys.check('seal', signed(seal), seal.mac, seal.key);
  if (check !== 'unknown_key' || seal.secondMac === null || seal.secondKey === null) return check;
  return keys.check('seal', signed(seal), seal.secondMac, seal.secondKey);
}

/** Makes {@link Seal.removedMac}. */
export function macOfRemoval(seal: Seal, keys: SealKeys): Buffer {
  return keys.mac('removed', signed(seal));
}

/** Whether retention has removed the events of the seal and all earlier ones. `none`: the seal does not claim it. */
export function checkRemoval(seal: Seal, keys: SealKeys): MacCheck | 'none' {
  if (seal.removedMac === null || seal.removedKey === null) return 'none';
  return keys.check('removed', signed(seal), seal.removedMac, seal.removedKey);
}

function signed(seal: SealRange & Pick<Seal, 'count' | 'hash'>): readonly (string | number)[] {
  const { id, firstId, lastId, count, sealedAt, previous, hash } = seal;
  return [id, firstId, lastId, count, sealedAt, previous.toString('hex'), hash.toString('hex')];
}
