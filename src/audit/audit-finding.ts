import { agree, counted } from '../common/text.js';
import type { Head } from './noted-head.js';
import type { Seal } from './seal.js';

/** Something that is not as it was sealed. `unsealed` alone is no sign of tampering. */
export interface Finding {
  readonly kind:
    | 'removed'
    | 'changed'
    | 'inserted'
    | 'forged'
    | 'chain'
    | 'beginning'
    | 'end'
    | 'unknown_key'
    | 'unsealed';
  /** Ids of events, where it is about some. */
  readonly first_id: string | null;
  readonly last_id: string | null;
  readonly message: string;
}

/** The events in the range of a seal are not those that were sealed. */
export function content(seal: Seal, found: number): Finding {
  const kind = found < seal.count ? 'removed' : found > seal.count ? 'inserted' : 'changed';
  const how = {
    removed: 'events were removed',
    inserted: 'events were inserted',
    changed: 'events were changed',
  };
  const sealed = `${seal.count} ${agree(seal.count, 'was', 'were')} sealed`;
  return about(
    kind,
    seal,
    `${how[kind]}: ${sealed} at ${timeOf(seal)}, ${found} ${agree(found, 'is', 'are')} there`,
  );
}

export function forged(seal: Seal): Finding {
  return about('forged', seal, `seal ${seal.id} was not made by this service: its events may be anything`);
}

export function unknownKey(seal: Seal): Finding {
  return about(
    'unknown_key',
    seal,
    `seal ${seal.id} was made with another JWT_SECRET: give that one as JWT_SECRET_PREVIOUS`,
  );
}

export function missing(before: Seal, seal: Seal): Finding {
  const [first_id, last_id] = [String(BigInt(before.lastId) + 1n), String(BigInt(seal.firstId) - 1n)];
  const which = `${BigInt(before.id) + 1n} to ${BigInt(seal.id) - 1n}`;
  return { kind: 'chain', first_id, last_id, message: `the seals ${which} are gone` };
}

export function broken(before: Seal, seal: Seal): Finding {
  return about('chain', seal, `seal ${seal.id} does not follow seal ${before.id}: one of them was replaced`);
}

export function beginning(oldest: Seal): Finding {
  const last_id = String(BigInt(oldest.firstId) - 1n);
  return {
    kind: 'beginning',
    first_id: '1',
    last_id,
    message: `the beginning of the chain is gone, and it was not retention that removed it`,
  };
}

export function before(first_id: string, last_id: string, count: number): Finding {
  return {
    kind: 'inserted',
    first_id,
    last_id,
    message: `${counted(count, 'event')} ${agree(count, 'is', 'are')} there that no seal covers`,
  };
}

export function cut({ id }: Head): Finding {
  return {
    kind: 'end',
    first_id: null,
    last_id: null,
    message: `the end of the chain was cut off: seal ${id}, which was noted, is gone or another`,
  };
}

export function beyond(givenOut: string, highest: string): Finding {
  const first_id = String(BigInt(givenOut) + 1n);
  return {
    kind: 'inserted',
    first_id,
    last_id: highest,
    message: 'these ids have never been given out: events were inserted, or the sequence was set back',
  };
}

export function unsealed(count: number, newest: Seal | undefined): Finding {
  const since = newest === undefined ? 'the beginning' : timeOf(newest);
  return {
    kind: 'unsealed',
    first_id: newest === undefined ? null : String(BigInt(newest.lastId) + 1n),
    last_id: null,
    message: `${counted(count, 'event')} since ${since} ${agree(count, 'is', 'are')} not sealed. Nodes seal every ten seconds. Is one running, and does another session hold the lock of the sealer?`,
  };
}

function about(kind: Finding['kind'], seal: Seal, message: string): Finding {
  return { kind, first_id: seal.firstId, last_id: seal.lastId, message };
}

function timeOf(seal: Seal): string {
  return new Date(Number(BigInt(seal.sealedAt) / 1000n)).toISOString();
}
