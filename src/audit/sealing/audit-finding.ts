import { agree, counted } from '../../common/text.js';
import type { Head } from './chain-head.service.js';
import type { Seal } from './seal.js';

/** A difference between the audit trail and its seals. `unsealed` is not a sign of tampering. */
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
  /** The ids of the events; null if the finding is not about events. */
  readonly first_id: string | null;
  readonly last_id: string | null;
  readonly message: string;
}

/** The events in the range of a seal are not the sealed ones. */
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
    `${how[kind]}: ${sealed} at ${timeOf(seal)}, now there ${agree(found, 'is', 'are')} ${found}`,
  );
}

/** The MAC of a seal is wrong. */
export function forged(seal: Seal): Finding {
  return about(
    'forged',
    seal,
    `seal ${seal.id} was not made by this service: its events may have been changed`,
  );
}

/** A seal that this service may have made, with a secret that it does not have. */
export function unknownKey(seal: Seal): Finding {
  return about(
    'unknown_key',
    seal,
    `seal ${seal.id} was made with another JWT_SECRET: set that one as JWT_SECRET_PREVIOUS`,
  );
}

/** Seals between two seals of the chain are missing. */
export function missing(before: Seal, seal: Seal): Finding {
  const [first_id, last_id] = [String(BigInt(before.lastId) + 1n), String(BigInt(seal.firstId) - 1n)];
  const [from, to] = [BigInt(before.id) + 1n, BigInt(seal.id) - 1n];
  const message = from === to ? `seal ${from} is missing` : `seals ${from} to ${to} are missing`;
  return { kind: 'chain', first_id, last_id, message };
}

/** A seal does not contain the hash of the seal before it. */
export function broken(before: Seal, seal: Seal): Finding {
  return about('chain', seal, `seal ${seal.id} does not follow seal ${before.id}: one of them was replaced`);
}

/** The oldest seal is not the first one, and no MAC shows that retention removed those before it. */
export function beginning(oldest: Seal): Finding {
  const last_id = String(BigInt(oldest.firstId) - 1n);
  return {
    kind: 'beginning',
    first_id: '1',
    last_id,
    message: `the beginning of the chain is missing, and retention did not remove it`,
  };
}

/** Events with ids below those of the first seal. */
export function before(first_id: string, last_id: string, count: number): Finding {
  return {
    kind: 'inserted',
    first_id,
    last_id,
    message: `${counted(count, 'event')} ${agree(count, 'is', 'are')} before the first seal, and no seal covers ${count === 1 ? 'it' : 'them'}`,
  };
}

/** The newest recorded seal is not in the chain. */
export function truncated({ id }: Head): Finding {
  return {
    kind: 'end',
    first_id: null,
    last_id: null,
    message: `the chain was truncated: the recorded seal ${id} is missing or was replaced`,
  };
}

/** Events with ids above the last one that the sequence has assigned. */
export function beyond(lastAllocatedId: string, highest: string): Finding {
  const first_id = String(BigInt(lastAllocatedId) + 1n);
  return {
    kind: 'inserted',
    first_id,
    last_id: highest,
    message: 'these ids were never assigned: events were inserted, or the sequence was set back',
  };
}

/** Events wait for their seal. */
export function unsealed(count: number, newest: Seal | undefined): Finding {
  const since = newest === undefined ? 'the beginning' : timeOf(newest);
  return {
    kind: 'unsealed',
    first_id: newest === undefined ? null : String(BigInt(newest.lastId) + 1n),
    last_id: null,
    message:
      `${counted(count, 'event')} since ${since} ${agree(count, 'is', 'are')} not sealed. Nodes seal every ten seconds. ` +
      `Check that a node is running and that no other session holds the sealer's lock.`,
  };
}

function about(kind: Finding['kind'], seal: Seal, message: string): Finding {
  return { kind, first_id: seal.firstId, last_id: seal.lastId, message };
}

function timeOf(seal: Seal): string {
  return new Date(Number(BigInt(seal.sealedAt) / 1000n)).toISOString();
}
