import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { removeExpiredFrom } from './expired-rows.sql.js';
import { NOW, admission } from './admission.sql.js';
import { termsOf, usage } from './quota.js';
import type { LimitLog, Quota } from './quota.js';

/** The result of {@link RateLimitStore.consume}. */
export interface Consumption {
  /** How many of the calls asked for were admitted. */
  readonly admitted: number;
  readonly remaining: number;
  /** Milliseconds until more is admitted than now. */
  readonly resetMs: number;
}

const CONSUME = `
  ${admission({ key: '$1', wanted: '$2', limit: '$3', window: '$4', slot: '$5' })}
  RETURNING ends::float8[] AS ends, hits, admitted, ${NOW}::float8 AS now`;

/**
 * Removes the oldest hits, so that the remaining ones stay in the window at least as long as they should. Locks rows in the order of
 * their keys, so that two nodes do not wait for each other.
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

const REMOVE_EXPIRED = removeExpiredFrom('rate_limits');

/**
 * The SQL of the rate limits: all nodes count together, by the database's clock.
 *
 * No window of the quota's length, wherever it starts, contains more than `limit` admitted calls. Refused calls leave no
 * trace, so a client that keeps retrying is admitted once its earlier calls have left the window. A key always has the
 * same quota. After a change of configuration, earlier calls count under the new quota.
 */
@Injectable()
export class RateLimitStore {
  constructor(private readonly database: Database) {}

  /** Admits as many of `wanted` (1 or more) simultaneous calls as there is room for, in one atomic statement. */
  async consume(key: Buffer, wanted: number, quota: Quota): Promise<Consumption> {
    const { limit, window, slot } = termsOf(quota);
    const values = [key, wanted, limit, window, slot];
    const rows = await this.database.query<LimitLog & { admitted: number }>(CONSUME, values);
    const { used, resetMs } = usage(rows[0]!, quota);
    return { admitted: rows[0]!.admitted, remaining: Math.max(0, quota.limit - used), resetMs };
  }

  /** Refunds this number of admitted calls of each key (in hex), if they are still in the window. */
  async refund(calls: ReadonlyMap<string, number>, quota: Quota): Promise<void> {
    const keys = [...calls.keys()].map((key) => Buffer.from(key, 'hex'));
    await this.database.query(REFUND, [keys, [...calls.values()], termsOf(quota).window]);
  }

  /** Removes up to `batch` expired rows and returns how many. A locked row stays. */
  async removeExpired(batch: number): Promise<number> {
    const [row] = await this.database.query<{ count: number }>(REMOVE_EXPIRED, [batch]);
    return row!.count;
  }
}
