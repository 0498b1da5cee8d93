import { Injectable } from '@nestjs/common';
import type { ClientBase } from 'pg';
import { STATE_COLUMNS } from '../../database/trust/connection-proof.js';
import type { ConnectionProof } from '../../database/trust/connection-proof.js';
import { Database } from '../../database/database.js';
import type { Sql } from '../../database/database.js';
import type { RevocationEntry } from './revocation-list.js';

/** What one statement brings of the feed, and of the database that it came from. */
export interface FeedPage extends Pick<ConnectionProof, 'readOnly' | 'state'> {
  readonly entries: readonly RevocationEntry[];
  /** Where the rest of the look begins, if the page is full. */
  readonly next?: string | undefined;
  /** Where the next look begins: everything committed before this page is in it, its rest, or an earlier look. */
  readonly horizon: string;
  /** The database's clock in milliseconds. */
  readonly now: number;
  readonly versions: Readonly<Record<string, number>>;
}

/** Entries that one statement brings: few enough to be there long before the time-out of the feed, on any machine. */
const PAGE = 5_000;

/**
 * From $1 on, the oldest transaction that ran at the last look: a row whose transaction commits late is still seen, at the
 * price of reading some rows twice. A look of several pages begins the next one at the horizon of its first: what commits
 * meanwhile behind its back is from there on, what had committed before is in the order of the pages.
 */
const READ = `
  WITH page AS MATERIALIZED (
    SELECT xid, seq, kind, subject, epoch, expires_at FROM revocations
    WHERE (xid, seq) > ($1::bigint, $2::bigint) AND expires_at > now() ORDER BY xid, seq LIMIT ${PAGE})
  SELECT s.versions, ${STATE_COLUMNS},
    extract(epoch FROM clock_timestamp())::float8 * 1000 AS now,
    pg_snapshot_xmin(pg_current_snapshot())::text AS horizon,
    (SELECT xid || '.' || seq FROM page ORDER BY xid, seq OFFSET ${PAGE - 1}) AS next,
    (SELECT json_agg(json_build_array(kind, subject, epoch, extract(epoch FROM expires_at)::float8 * 1000))
     FROM page) AS entries
  FROM service_state s`;

/** A minute beyond the longest-lived token, for clocks that differ and for what was being signed meanwhile. */
const EXPIRES = `now() + make_interval(secs => (SELECT max_token_expiry FROM service_state) + 60)`;

const ADD_SIDS = `
  INSERT INTO revocations (xid, kind, subject, expires_at)
  SELECT pg_current_xact_id()::text::bigint, 'sid', sid, ${EXPIRES} FROM unnest($1::uuid[]) AS sid
  RETURNING extract(epoch FROM expires_at)::float8 * 1000 AS expires`;

const ADD_USER = `
  INSERT INTO revocations (xid, kind, subject, epoch, expires_at)
  VALUES (pg_current_xact_id()::text::bigint, 'user', $1, $2, ${EXPIRES})
  RETURNING extract(epoch FROM expires_at)::float8 * 1000 AS expires`;

const REMOVE = `
  DELETE FROM revocations WHERE seq IN (SELECT seq FROM revocations WHERE expires_at <= now() LIMIT $1)
  RETURNING seq`;

const NOTE_EXPIRY = `
  UPDATE service_state SET max_token_expiry = $1 WHERE max_token_expiry < $1`;

type EntryRow = readonly ['sid' | 'user', string, number | null, number];

type FeedRow = Omit<FeedPage, 'entries' | 'next'> & { next: string | null; entries: EntryRow[] | null };

/** The table of revocations. Adding belongs into the transaction that ends the thing. */
@Injectable()
export class RevocationStore {
  constructor(private readonly database: Database) {}

  /**
   * From a horizon, or from where a page ended. `client`: the feed's own connection, which a crowded pool cannot keep
   * waiting.
   */
  async read(client: ClientBase, from: string): Promise<FeedPage> {
    const [xid, seq = '0'] = from.split('.');
    const { rows } = await client.query<FeedRow>({ name: 'feed', text: READ, values: [xid, seq] });
    const { entries, next, ...page } = rows[0]!;
    return {
      ...page,
      next: next ?? undefined,
      entries: (entries ?? []).map(([kind, subject, epoch, expires]) => ({ kind, subject, epoch, expires })),
    };
  }

  async addSids(sql: Sql, sids: readonly string[]): Promise<RevocationEntry[]> {
    if (sids.length === 0) return [];
    const rows = await sql.query<{ expires: number }>(ADD_SIDS, [sids]);
    return sids.map((subject) => ({ kind: 'sid', subject, epoch: null, expires: rows[0]!.expires }));
  }

  /** Refuses the user's access tokens that carry an epoch below `epoch`. */
  async addUser(sql: Sql, userId: string, epoch: number): Promise<RevocationEntry> {
    const [row] = await sql.query<{ expires: number }>(ADD_USER, [userId, epoch]);
    return { kind: 'user', subject: userId, epoch, expires: row!.expires };
  }

  /** From now on revocations are remembered for at least this long (seconds), on every node. */
  async noteTokenExpiry(seconds: number): Promise<void> {
    await this.database.query(NOTE_EXPIRY, [seconds]);
  }

  /** Removes at most `batch` entries that concern no valid token any more; says how many. */
  async removeExpired(batch: number): Promise<number> {
    return (await this.database.query(REMOVE, [batch])).length;
  }
}
