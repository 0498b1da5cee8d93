import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import type { Sql } from '../../database/database.js';
import { conditionsOf } from './family-filter.js';
import type { FamilyFilter } from './family-filter.js';

/** The families that were found, and the id to continue after; undefined at the end. */
export interface FamilySweep {
  readonly sids: string[];
  readonly next: string | undefined;
}

/** Rows that one statement reads: it stays far below the statement timeout for a table of any size. */
const CHUNK = 10_000;

const CUT_OFF = `
  SELECT (extract(epoch FROM least(clock_timestamp(), to_timestamp($1::float8 / 1000))) * 1000000)::bigint::text
    AS microseconds`;

/** A family that expired longer ago than any access token lives has no valid token. */
const REVOCABLE = `
  t.revoked_at IS NULL
  AND t.expires_at > now() - make_interval(secs => (SELECT max_token_expiry FROM service_state) + 60)
  AND t.created_at < 'epoch'::timestamptz + $2::bigint * interval '1 microsecond'`;

/** `users`: a condition on the rows that are read, which the index of users serves. */
const findBy = (users: string, conditions: readonly string[]) => `
  WITH chunk AS MATERIALIZED (SELECT * FROM refresh_tokens WHERE ${users} id > $1 ORDER BY id LIMIT ${CHUNK})
  SELECT (SELECT id FROM chunk ORDER BY id OFFSET ${CHUNK - 1}) AS next,
    ARRAY(
      SELECT t.id FROM chunk t JOIN users u ON u.id = t.user_id WHERE ${[REVOCABLE, ...conditions].join(' AND ')} ORDER BY t.id
    ) AS sids`;

/** The transactions that are writing families now. Waits for none of them. */
const WRITERS = `
  SELECT virtualtransaction AS writer FROM pg_locks
  WHERE locktype = 'relation' AND relation = 'refresh_tokens'::regclass AND mode = 'RowExclusiveLock' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()`;

/** Finds matching families in chunks, without blocking other statements. */
@Injectable()
export class FamilySweepStore {
  constructor(private readonly database: Database) {}

  /** The earlier of `before` and now on the database's clock, in microseconds as text: the argument of {@link find}. */
  async cutOff(before: Date | undefined): Promise<string> {
    const [row] = await this.database.query<{ microseconds: string }>(CUT_OFF, [before?.getTime() ?? null]);
    return row!.microseconds;
  }

  /** The next matching families after the id `after` that were opened before `cutOff`. */
  async find(
    { userIds, issuedBefore: _cutOff, ...filter }: FamilyFilter,
    cutOff: string,
    after: string,
    sql: Sql = this.database,
  ): Promise<FamilySweep> {
    const values: unknown[] = [after, cutOff];
    const next = (value: unknown) => `$${values.push(value)}`;
    const users = userIds === undefined ? '' : `user_id = ANY (${next(userIds)}::uuid[]) AND`;
    const text = findBy(users, conditionsOf(filter, next));
    const [row] = await sql.query<{ next: string | null; sids: string[] }>(text, values);
    return { sids: row!.sids, next: row!.next ?? undefined };
  }

  /** The transactions that are writing families now. A family that already has its `created_at` is visible, or its writer is listed. */
  async writers(): Promise<Set<string>> {
    const rows = await this.database.query<{ writer: string }>(WRITERS);
    return new Set(rows.map(({ writer }) => writer));
  }
}
