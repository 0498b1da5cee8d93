import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import type { Role } from '../../users/user.entity.js';

/** Which logins are meant: those for which all of it is true. */
export interface FamilyFilter {
  /** Begun before it: a login counts by its beginning, whatever has been refreshed since. */
  readonly issuedBefore?: Date | undefined;
  readonly role?: Role | undefined;
  /** Of its last use, as `canonicalAddress` writes it. */
  readonly ip?: string | undefined;
  readonly userIds?: readonly string[] | undefined;
}

/** Logins found, and where to go on looking; undefined at the end. */
export interface FamilySweep {
  readonly sids: string[];
  readonly next: string | undefined;
}

/** Rows that one statement looks at: it stays far below its time-out however large the table is. */
const CHUNK = 10_000;

const CUT_OFF = `
  SELECT (extract(epoch FROM least(clock_timestamp(), to_timestamp($1::float8 / 1000))) * 1000000)::bigint::text
    AS microseconds`;

/** What has run out longer ago than any access token lives is over already. */
const MEANT = `
  t.revoked_at IS NULL
  AND t.expires_at > now() - make_interval(secs => (SELECT max_token_expiry FROM service_state) + 60)
  AND t.created_at < 'epoch'::timestamptz + $2::bigint * interval '1 microsecond'
  AND ($3::text IS NULL OR u.role = $3) AND ($4::text IS NULL OR t.ip = $4)`;

const AMONG_ALL = `
  WITH chunk AS MATERIALIZED (SELECT * FROM refresh_tokens WHERE id > $1 ORDER BY id LIMIT ${CHUNK})
  SELECT (SELECT id FROM chunk ORDER BY id OFFSET ${CHUNK - 1}) AS next,
    ARRAY(SELECT t.id FROM chunk t JOIN users u ON u.id = t.user_id WHERE ${MEANT} ORDER BY t.id) AS sids`;

const AMONG_THEIRS = `
  WITH chunk AS MATERIALIZED (
    SELECT * FROM refresh_tokens WHERE user_id = ANY ($5::uuid[]) AND id > $1 ORDER BY id LIMIT ${CHUNK})
  SELECT (SELECT id FROM chunk ORDER BY id OFFSET ${CHUNK - 1}) AS next,
    ARRAY(SELECT t.id FROM chunk t JOIN users u ON u.id = t.user_id WHERE ${MEANT} ORDER BY t.id) AS sids`;

/** The transactions that are writing logins, waiting for nobody. */
const WRITERS = `
  SELECT virtualtransaction AS writer FROM pg_locks
  WHERE locktype = 'relation' AND relation = 'refresh_tokens'::regclass AND mode = 'RowExclusiveLock' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()`;

/** Finds logins among all of them, in steps that block nobody. */
@Injectable()
export class FamilySweepStore {
  constructor(private readonly database: Database) {}

  /** The earlier one of `before` and now on the database's clock, in microseconds as text: what {@link find} takes. */
  async cutOff(before: Date | undefined): Promise<string> {
    const [row] = await this.database.query<{ microseconds: string }>(CUT_OFF, [before?.getTime() ?? null]);
    return row!.microseconds;
  }

  /** The next matching logins beyond the id `after` that began before `cutOff`. */
  async find(
    { role, ip, userIds }: Omit<FamilyFilter, 'issuedBefore'>,
    cutOff: string,
    after: string,
  ): Promise<FamilySweep> {
    const values = [after, cutOff, role ?? null, ip ?? null];
    const [row] = await this.database.query<{ next: string | null; sids: string[] }>(
      userIds === undefined ? AMONG_ALL : AMONG_THEIRS,
      userIds === undefined ? values : [...values, userIds],
    );
    return { sids: row!.sids, next: row!.next ?? undefined };
  }

  /** Who is writing logins at the moment. A login that has its time of beginning is visible, or its writer is in here. */
  async writers(): Promise<Set<string>> {
    const rows = await this.database.query<{ writer: string }>(WRITERS);
    return new Set(rows.map(({ writer }) => writer));
  }
}
