import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { usage } from './limit-outcome.js';
import type { LimitLog, Quota } from './limit-outcome.js';

/**
 * A limit of up to this many calls is kept to the microsecond. Above it the calls of one slot (the window divided by this)
 * share an entry that leaves when the slot's last moment does: such a limit is up to one slot late, never early.
 */
export const SLOTS = 30;

/** What an {@link RateLimitStore.consume} left behind. */
export interface Consumption {
  /** How many of the calls asked for were admitted. */
  readonly admitted: number;
  readonly remaining: number;
  /** Milliseconds until more is admitted than now. */
  readonly resetMs: number;
}

const NOW = `(extract(epoch FROM clock_timestamp()) * 1000000)::bigint`;
const EXPIRY = (end: string) => `to_timestamp(((${end} + $4::bigint) / 60000000 + 1) * 60)`;

/** The clock in the second half is read once the row is locked, so that entries are in the order of admission. */
const CONSUME = `
  INSERT INTO rate_limits AS r (key, ends, hits, admitted, expires_at)
  SELECT $1::bytea, ARRAY[slot], ARRAY[room], room, ${EXPIRY('slot')}
  FROM (SELECT (${NOW} / $5::bigint + 1) * $5::bigint AS slot, least($2::bigint, $3::bigint)::integer AS room) AS first
  ON CONFLICT (key) DO UPDATE SET (ends, hits, admitted, expires_at) = (
    WITH clock AS MATERIALIZED (SELECT ${NOW} AS us),
    now AS (SELECT us, (us / $5::bigint + 1) * $5::bigint AS slot FROM clock),
    live AS MATERIALIZED (
      -- An end beyond the present slot comes from a clock that has been set back since.
      SELECT least(log.e, now.slot) AS e, log.h
      FROM now, unnest(r.ends, r.hits) AS log (e, h) WHERE log.e + $4::bigint > now.us
    ),
    room AS MATERIALIZED (
      SELECT least($2::bigint, greatest(0, $3::bigint - coalesce(sum(h), 0)))::integer AS n FROM live
    ),
    kept AS (
      SELECT e, sum(h)::integer AS h
      FROM (SELECT e, h FROM live UNION ALL SELECT now.slot, room.n FROM now, room WHERE room.n > 0) AS entries
      GROUP BY e
    )
    SELECT array_agg(e ORDER BY e), array_agg(h ORDER BY e), (SELECT n FROM room), ${EXPIRY('max(e)')} FROM kept
  )
  RETURNING ends::float8[] AS ends, hits, admitted, ${NOW}::float8 AS now`;

/**
 * Takes the oldest: whichever were reserved, what is left stays at least as long as it should. In the order of the keys, so
 * that two nodes do not wait for each other.
 */
const REFUND = `
  WITH back AS MATERIALIZED (
    SELECT r.key, calls.n FROM unnest($1::bytea[], $2::integer[]) AS calls (key, n) JOIN rate_limits AS r USING (key)
    ORDER BY r.key FOR UPDATE OF r
  )
  UPDATE rate_limits AS r SET (ends, hits) = (
    SELECT coalesce(array_agg(e ORDER BY e), '{}'), coalesce(array_agg(h ORDER BY e), '{}')
    FROM (
      SELECT e, least(h, greatest(0, sum(h) OVER (ORDER BY e) - back.n))::integer AS h
      FROM unnest(r.ends, r.hits) AS log (e, h) WHERE e + $3::bigint > ${NOW}
    ) AS live
    WHERE h > 0
  )
  FROM back WHERE r.key = back.key`;

const REMOVE_EXPIRED = `
  WITH removed AS (
    DELETE FROM rate_limits WHERE key IN (
      SELECT key FROM rate_limits WHERE expires_at < now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
    ) RETURNING 1
  )
  SELECT count(*)::integer AS count FROM removed`;

const microseconds = (quota: Quota) => quota.windowSeconds * 1_000_000;

/**
 * The calls that count towards rate limits, for all nodes together, by the database's clock.
 *
 * In no window of the quota's length, wherever it starts, more than `limit` calls are admitted. Refused calls leave no
 * trace, so that a client that keeps knocking gets in once its admitted calls have left the window. A key always has the
 * same quota; after a change of configuration the old calls count under the new one.
 */
@Injectable()
export class RateLimitStore {
  constructor(private readonly database: Database) {}

  /** Admits as many of `wanted` (1 or more) simultaneous calls as there is room for, in one atomic statement. */
  async consume(key: Buffer, wanted: number, quota: Quota): Promise<Consumption> {
    const window = microseconds(quota);
    const slot = quota.limit <= SLOTS ? 1 : Math.ceil(window / SLOTS);
    const rows = await this.database.query<LimitLog & { admitted: number }>(CONSUME, [
      key,
      wanted,
      quota.limit,
      window,
      slot,
    ]);
    const { used, resetMs } = usage(rows[0]!, quota);
    return { admitted: rows[0]!.admitted, remaining: Math.max(0, quota.limit - used), resetMs };
  }

  /** Gives so many admitted calls of each key (in hex) back, as far as they are in the window. */
  async refund(calls: ReadonlyMap<string, number>, quota: Quota): Promise<void> {
    const keys = [...calls.keys()].map((key) => Buffer.from(key, 'hex'));
    await this.database.query(REFUND, [keys, [...calls.values()], microseconds(quota)]);
  }

  /** Removes up to `batch` rows that count no more and tells how many; a row in use is left alone. */
  async removeExpired(batch: number): Promise<number> {
    const [row] = await this.database.query<{ count: number }>(REMOVE_EXPIRED, [batch]);
    return row!.count;
  }
}
