import { Injectable } from '@nestjs/common';
import type { ClientBase } from 'pg';
import { INSTALLATION_COLUMNS } from '../../database/trust/server-identity.js';
import type { ServerIdentity } from '../../database/trust/server-identity.js';
import { Database } from '../../database/database.js';
import type { Sql } from '../../database/database.js';
import type { RevocationEntry } from './revocation-list.js';

/** A snapshot in which nothing is visible. */
export const NOTHING_SEEN = '1:1:';

/** An entry as a poll reads it. */
export interface FeedEntry extends RevocationEntry {
  /** The transaction that wrote it. */
  readonly xid: number;
  /** When it was written, in milliseconds on the database's clock; null if an earlier release wrote it. */
  readonly written?: number | null;
}

/** A user, and the epoch that the user's access tokens need from now on. */
export type UserEpoch = { readonly id: string; readonly epoch: number };

/** One page of the feed, with what the statement says about the database. */
export interface FeedPage extends Pick<ServerIdentity, 'readOnly' | 'installation'> {
  readonly entries: readonly FeedEntry[];
  /** Where the next page of this poll begins; undefined if this page is the last. */
  readonly next?: string | undefined;
  /** What was visible to this page (`pg_snapshot`). The next poll reads what was not visible to the first page of this poll. */
  readonly snapshot: string;
  /** The database's clock in milliseconds. */
  readonly now: number;
  /** The version of each topic. */
  readonly versions: Readonly<Record<string, number>>;
}

/** The oldest transaction that was running when the snapshot was taken. Everything before it was visible or rolled back. */
export function horizonOf(snapshot: string): bigint {
  return BigInt(snapshot.slice(0, snapshot.indexOf(':')));
}

/** Entries in a page: few enough to arrive long before the timeout of the feed on any machine. */
const PAGE_SIZE = 5_000;

/**
 * A poll reads what was not visible to the poll before it. So it sees a row even if its transaction committed late. It reads a row twice
 * only if the row was committed between two pages of a poll: for the next poll, the snapshot of the first page counts, because transactions
 * may commit behind a page that was already read. A transaction that runs for hours, in any database of the server, costs an index scan of
 * the rows since then, but does not send them again.
 */
const READ_PAGE = `
  WITH page AS MATERIALIZED (
    SELECT xid, seq, kind, subject, epoch, expires_at, written_at FROM revocations
    WHERE (xid, seq) > ($1::bigint, $2::bigint) AND expires_at > now()
      AND NOT pg_visible_in_snapshot(xid::text::xid8, $3::pg_snapshot)
    ORDER BY xid, seq LIMIT ${PAGE_SIZE})
  SELECT s.versions, ${INSTALLATION_COLUMNS},
    extract(epoch FROM clock_timestamp())::float8 * 1000 AS now,
    pg_current_snapshot()::text AS snapshot,
    (SELECT xid || '.' || seq FROM page ORDER BY xid, seq OFFSET ${PAGE_SIZE - 1}) AS next,
    (SELECT json_agg(json_build_array(kind, subject, epoch, extract(epoch FROM expires_at)::float8 * 1000, xid,
      extract(epoch FROM written_at)::float8 * 1000))
     FROM page) AS entries
  FROM service_state s`;

/** One minute more than the longest token lifetime: clocks differ, and a token may be signed during the revocation. */
const EXPIRES = `now() + make_interval(secs => (SELECT max_token_expiry FROM service_state) + 60)`;

const ADD_SIDS = `
  INSERT INTO revocations (xid, kind, subject, expires_at)
  SELECT pg_current_xact_id()::text::bigint, 'sid', sid, ${EXPIRES} FROM unnest($1::uuid[]) AS sid
  RETURNING extract(epoch FROM expires_at)::float8 * 1000 AS expires`;

const ADD_USERS = `
  INSERT INTO revocations (xid, kind, subject, epoch, expires_at)
  SELECT pg_current_xact_id()::text::bigint, 'user', id, epoch, ${EXPIRES} FROM unnest($1::uuid[], $2::integer[]) AS u (id, epoch)
  RETURNING extract(epoch FROM expires_at)::float8 * 1000 AS expires`;

/** Scans the table: only for rare calls. */
const HIGHEST_EPOCH = `SELECT max(epoch) AS epoch FROM revocations WHERE kind = 'user' AND subject = $1`;

const REMOVE_EXPIRED = `
  DELETE FROM revocations WHERE seq IN (SELECT seq FROM revocations WHERE expires_at <= now() LIMIT $1)
  RETURNING seq`;

const RAISE_EXPIRY = `
  UPDATE service_state SET max_token_expiry = $1 WHERE max_token_expiry < $1`;

type EntryRow = readonly ['sid' | 'user', string, number | null, number, number, number | null];

type FeedRow = Omit<FeedPage, 'entries' | 'next'> & { next: string | null; entries: EntryRow[] | null };

/** The table of revocations. Entries are added in the transaction that revokes. */
@Injectable()
export class RevocationStore {
  constructor(private readonly database: Database) {}

  /**
   * Reads entries that were not visible to the snapshot `seen`: the first page, or the one that begins at `next` of the previous page.
   * `client`: the feed's own connection.
   */
  async read(client: ClientBase, seen: string, next?: string): Promise<FeedPage> {
    const [xid, seq = '0'] = next?.split('.') ?? [String(horizonOf(seen))];
    const { rows } = await client.query<FeedRow>({ name: 'feed', text: READ_PAGE, values: [xid, seq, seen] });
    const { entries, next: following, ...page } = rows[0]!;
    return {
      ...page,
      next: following ?? undefined,
      entries: (entries ?? []).map(([kind, subject, epoch, expires, xid, written]) => ({
        kind,
        subject,
        epoch,
        expires,
        xid,
        written,
      })),
    };
  }

  /** Adds an entry for each family: every node refuses all of its access tokens. Returns the entries. */
  async addSids(sql: Sql, sids: readonly string[]): Promise<RevocationEntry[]> {
    if (sids.length === 0) return [];
    const rows = await sql.query<{ expires: number }>(ADD_SIDS, [sids]);
    return sids.map((subject) => ({ kind: 'sid', subject, epoch: null, expires: rows[0]!.expires }));
  }

  /** Adds an entry for each user: every node refuses the user's access tokens with an epoch below `epoch`. Returns the entries. */
  async addUsers(sql: Sql, users: readonly UserEpoch[]): Promise<RevocationEntry[]> {
    if (users.length === 0) return [];
    const [ids, epochs] = [users.map(({ id }) => id), users.map(({ epoch }) => epoch)];
    const rows = await sql.query<{ expires: number }>(ADD_USERS, [ids, epochs]);
    return users.map(({ id, epoch }) => ({ kind: 'user', subject: id, epoch, expires: rows[0]!.expires }));
  }

  /** The highest epoch of the user's entries that may still concern a valid token; null without one. */
  async highestEpoch(sql: Sql, userId: string): Promise<number | null> {
    return (await sql.query<{ epoch: number | null }>(HIGHEST_EPOCH, [userId]))[0]!.epoch;
  }

  /** Raises the retention of new entries to at least this token lifetime, in seconds. */
  async raiseTokenExpiry(seconds: number): Promise<void> {
    await this.database.query(RAISE_EXPIRY, [seconds]);
  }

  /** Removes at most `batch` entries that no longer concern a valid token. Returns how many. */
  async removeExpired(batch: number): Promise<number> {
    return (await this.database.query(REMOVE_EXPIRED, [batch])).length;
  }
}
