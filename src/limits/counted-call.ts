import type { LimitLog, Quota } from './limit-outcome.js';

/**
 * A limit of up to this many calls is kept to the microsecond. Above it the calls of one slot (the window divided by this)
 * share an entry that leaves when the slot's last moment does: such a limit is up to one slot late, never early.
 */
export const SLOTS = 30;

/** A quota as statements take it: times in microseconds. */
export interface QuotaTerms {
  readonly limit: number;
  readonly window: number;
  readonly slot: number;
}

/** A call that is counted by the statement that does what is limited: see `admission.sql.ts`. */
export interface CountedCall extends QuotaTerms {
  readonly key: Buffer;
}

/** What such a statement did. */
export interface CountedResult<T> {
  /** What it was for; undefined if there was no room, and nothing has changed. */
  readonly done: T | undefined;
  /** The log as it left it, if there is no room for another call. */
  readonly full: LimitLog | undefined;
}

export function termsOf({ limit, windowSeconds }: Quota): QuotaTerms {
  const window = windowSeconds * 1_000_000;
  return { limit, window, slot: limit <= SLOTS ? 1 : Math.ceil(window / SLOTS) };
}
