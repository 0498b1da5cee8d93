import type { LimitLog, QuotaTerms } from './quota.js';

/** Microseconds since the epoch, now. */
export const NOW = `(extract(epoch FROM clock_timestamp()) * 1000000)::bigint`;

/** Where a statement has the values of an admission: parameters, or other expressions. */
export interface AdmissionTerms {
  /** The key of the subject, of type bytea. */
  readonly key: string;
  /** How many calls, 1 or more. The rest as in the quota; times in microseconds. */
  readonly wanted: string;
  readonly limit: string;
  readonly window: string;
  readonly slot: string;
}

/**
 * An INSERT that atomically admits as many calls as there is room for. The statement around it adds RETURNING. `given` is a relation of
 * the same statement with one row or none: without a row, nothing is counted.
 *
 * The second half reads the clock after it has locked the row, so that entries are in the order of admission.
 */
export function admission({ key, wanted, limit, window, slot }: AdmissionTerms, given?: string): string {
  const expiry = (end: string) => `to_timestamp(((${end} + ${window}::bigint) / 60000000 + 1) * 60)`;
  const slotAt = (us: string) => `(${us} / ${slot}::bigint + 1) * ${slot}::bigint`;
  return `
  INSERT INTO rate_limits AS r (key, ends, hits, admitted, expires_at)
  SELECT ${key}::bytea, ARRAY[slot], ARRAY[room], room, ${expiry('slot')}
  FROM (SELECT ${slotAt(NOW)} AS slot, least(${wanted}::bigint, ${limit}::bigint)::integer AS room) AS first
  ${given === undefined ? '' : `CROSS JOIN ${given}`}
  ON CONFLICT (key) DO UPDATE SET (ends, hits, admitted, expires_at) = (
    WITH clock AS MATERIALIZED (SELECT ${NOW} AS us),
    now AS (SELECT us, ${slotAt('us')} AS slot FROM clock),
    live AS MATERIALIZED (
      -- An end beyond the present slot was written before the clock was set back.
      SELECT least(log.e, now.slot) AS e, log.h
      FROM now, unnest(r.ends, r.hits) AS log (e, h) WHERE log.e + ${window}::bigint > now.us
    ),
    room AS MATERIALIZED (
      SELECT least(${wanted}::bigint, greatest(0, ${limit}::bigint - coalesce(sum(h), 0)))::integer AS n FROM live
    ),
    kept AS (
      SELECT e, sum(h)::integer AS h
      FROM (SELECT e, h FROM live UNION ALL SELECT now.slot, room.n FROM now, room WHERE room.n > 0) AS entries
      GROUP BY e
    )
    SELECT array_agg(e ORDER BY e), array_agg(h ORDER BY e), (SELECT n FROM room), ${expiry('max(e)')} FROM kept
  )`;
}

/** A call that is counted by the statement that does the limited work. */
export interface CountedCall extends QuotaTerms {
  readonly key: Buffer;
}

/** The result of such a query. */
export interface CountedResult<T> {
  /** The result of its work; undefined if there was no room, and nothing has changed. */
  readonly done: T | undefined;
  /** The log that it left behind, if there is no room for another call. */
  readonly full: LimitLog | undefined;
}
