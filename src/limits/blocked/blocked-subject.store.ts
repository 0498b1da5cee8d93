import { Injectable } from '@nestjs/common';
import { cursorsOf } from '../../common/http/pagination.js';
import { Database } from '../../database/database.js';
import type { Sql } from '../../database/database.js';
import { NOW } from '../admission.sql.js';
import { ADDRESS_BUCKETS } from '../bucket.js';
import { removeExpiredFrom } from '../expired-rows.sql.js';
import { FREE_FAILURES } from '../login-failure.store.js';
import type { BlockScope, NotedBlock } from './blocked-subjects.js';

/** An owner as administrators see it. */
export interface BlockedOwner {
  readonly id: string;
  readonly user_id: string | null;
  readonly username: string | null;
  readonly external_id: string | null;
  readonly scopes: readonly { readonly scope: BlockScope; readonly until: string }[];
  /** When the last of its counters is no longer full. */
  readonly until: Date;
  /** See the entity. The one that expires last comes first. */
  readonly addresses: readonly string[];
}

export interface BlockedFilter {
  readonly kind?: 'address' | 'account' | undefined;
  /** Owners of any of these ids. */
  readonly ids?: readonly string[] | undefined;
  readonly usernameKey?: string | undefined;
}

const CURSORS = cursorsOf('blocked', /^[0-9a-f-]{32,36}$/);

const NOTE = `
  INSERT INTO blocked_subjects AS b (key, scope, owner, user_id, address, quota, window_us, expires_at)
  SELECT decode(n.key, 'hex'), n.scope, coalesce(u.id::text, n.owner), u.id, n.address, n.quota, n.window_us,
    clock_timestamp() + n.ms * interval '1 millisecond'
  FROM json_to_recordset($1::json) AS n
    (key text, scope text, owner text, user_id uuid, family uuid, address text, quota integer, window_us bigint, ms float8)
  LEFT JOIN LATERAL (
    SELECT coalesce(n.user_id, (SELECT t.user_id FROM refresh_tokens t WHERE t.id = n.family)) AS id
  ) AS u ON true
  ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, user_id = excluded.user_id, address = excluded.address,
    quota = excluded.quota, window_us = excluded.window_us, expires_at = excluded.expires_at`;

/** Whether the counter of the row `b` is still full. */
const IS_FULL = `
  CASE b.scope WHEN 'failed_logins' THEN EXISTS (
    SELECT 1 FROM login_failures f
    WHERE f.key = b.key AND f.failures >= ${FREE_FAILURES} AND f.retry_at > clock_timestamp() AND f.expires_at > now())
  ELSE EXISTS (
    SELECT 1 FROM rate_limits r
    WHERE r.key = b.key
      AND (SELECT sum(h) FROM unnest(r.ends, r.hits) AS log (e, h) WHERE e + b.window_us > ${NOW}) >= b.quota)
  END`;

const PAGE = `
  SELECT b.owner AS id, b.user_id, u.username, u.external_id, max(b.expires_at) AS until,
    coalesce(array_agg(b.address ORDER BY b.expires_at DESC) FILTER (WHERE b.address IS NOT NULL), '{}') AS addresses,
    json_agg(json_build_object('scope', b.scope, 'until',
      to_char(b.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) ORDER BY b.scope) AS scopes
  FROM blocked_subjects b LEFT JOIN users u ON u.id = b.user_id
  WHERE b.owner > $1 AND b.expires_at > now() AND ($2::text[] IS NULL OR b.owner = ANY ($2))
    AND ($3::text IS NULL OR u.username_key = $3)
    AND ($4::text IS NULL OR (b.scope = ANY ($5::text[])) = ($4 = 'address'))
    AND ${IS_FULL}
  GROUP BY b.owner, b.user_id, u.username, u.external_id
  ORDER BY b.owner LIMIT $6`;

const FIND = `
  SELECT encode(key, 'hex') AS key, scope, address FROM blocked_subjects WHERE owner = $1 AND expires_at > now()`;

/** Locks in the order of keys, like all statements that lock several counters. */
const RELEASE = (table: 'rate_limits' | 'login_failures' | 'blocked_subjects') => `
  WITH locked AS MATERIALIZED (
    SELECT key FROM ${table} WHERE key = ANY ($1::bytea[]) ORDER BY key FOR UPDATE
  )
  DELETE FROM ${table} WHERE key IN (SELECT key FROM locked) RETURNING 1`;

const REMOVE_EXPIRED = removeExpiredFrom('blocked_subjects');

/** The counters that are full, and whose they are. The counters themselves have only digests. */
@Injectable()
export class BlockedSubjectStore {
  constructor(private readonly database: Database) {}

  /** Notes full counters, in the order of their keys. */
  async note(blocks: readonly NotedBlock[]): Promise<void> {
    const ordered = blocks.toSorted((one, other) => (one.key < other.key ? -1 : 1));
    await this.database.query(NOTE, [JSON.stringify(ordered)]);
  }

  /** Owners whose counters are full now, in the order of their ids. Throws 400 for a cursor that this list did not write. */
  async page(
    { kind, ids, usernameKey }: BlockedFilter,
    limit: number,
    cursor?: string,
  ): Promise<{ readonly blocked: BlockedOwner[]; readonly next_cursor: string | null }> {
    const after = cursor === undefined ? '' : CURSORS.read(cursor)[0];
    const values = [after, ids ?? null, usernameKey ?? null, kind ?? null, ADDRESS_BUCKETS, limit + 1];
    const rows = await this.database.query<BlockedOwner & Record<string, unknown>>(PAGE, values);
    const blocked = rows.slice(0, limit);
    const last = blocked.at(-1);
    return {
      blocked,
      next_cursor: rows.length > limit && last !== undefined ? CURSORS.write(last.id) : null,
    };
  }

  /** The noted counters of an owner that may still be full. */
  find(
    sql: Sql,
    owner: string,
  ): Promise<{ readonly key: string; readonly scope: BlockScope; readonly address: string | null }[]> {
    return sql.query(FIND, [owner]);
  }

  /**
   * Empties the counters with these keys (in hex): nothing that was counted before counts any more. Returns false if they were empty and
   * nothing was noted of them.
   */
  async release(sql: Sql, keys: readonly string[]): Promise<boolean> {
    const values = [keys.map((key) => Buffer.from(key, 'hex'))];
    let removed = 0;
    for (const table of ['rate_limits', 'login_failures', 'blocked_subjects'] as const)
      removed += (await sql.query(RELEASE(table), values)).length;
    return removed > 0;
  }

  /** Removes up to `batch` expired rows and returns how many. */
  async removeExpired(batch: number): Promise<number> {
    return (await this.database.query<{ count: number }>(REMOVE_EXPIRED, [batch]))[0]!.count;
  }
}
