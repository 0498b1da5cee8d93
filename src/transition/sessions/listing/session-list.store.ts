import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../../config/config.js';
import { Database } from '../../../database/database.js';
import type { Role } from '../../../common/role.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { SessionTable } from '../table/session-table.js';
import { SessionOriginService } from '../stores/session-origin.service.js';
import type { UnlinkedSession } from '../stores/session.store.js';
import {
  IS_LIVE,
  milliseconds,
  onSessionTable,
  userAt,
  userIn,
  userKey,
  userNamed,
} from '../stores/session-table.sql.js';

/** A session that a family was exchanged from or downgraded to. */
export interface SessionLinkView {
  readonly sid: string;
  /** The session was exchanged for the family. Otherwise the family was downgraded to the session. */
  readonly isExchange: boolean;
  /** The family that was downgraded to the session. */
  readonly downgradedId: string | null;
  readonly live: boolean;
}

/** One part of the table, in the order of session ids. */
export interface SessionPart {
  readonly sessions: readonly UnlinkedSession[];
  /** The last session that was read. Undefined at the end of the table. */
  readonly last: string | undefined;
}

/** The most sessions of a user that are listed. Nobody has more. */
const MAX_OF_USER = 200;

/** Rows of the table that one statement examines: many products keep a session for each anonymous visitor. */
export const PART = 2_000;

const COLUMNS = `
  s.sid, u.id AS "userId", u.external_id AS "externalId", u.username, u.role, f.begun_macs AS "begunMacs",
  ${milliseconds('s.expire::timestamptz')} AS "expiresAt",
  ${userAt('cookie.originalMaxAge')} AS "maxAge", ${milliseconds('clock_timestamp()')} AS now`;

/** A session that is linked to a live family is part of that family's entry. */
const LIVE_AND_UNLINKED = `${IS_LIVE} AND t.id IS NULL`;

const JOINS = `
  LEFT JOIN session_fates f ON f.sid = s.sid
  LEFT JOIN refresh_tokens t ON t.id = f.family_id AND f.user_id = u.id AND t.revoked_at IS NULL AND t.expires_at > clock_timestamp()`;

const ofUserBy = (table: string, user: string) => `
  SELECT ${COLUMNS}
  FROM users u
  JOIN ${table} s ON ${userKey(user)} = ANY (ARRAY[lower(u.id::text), lower(u.external_id)])
  CROSS JOIN LATERAL (SELECT ${user} AS name OFFSET 0) named
  ${JOINS}
  WHERE u.id = $1 AND ${userNamed('named.name')} = u.id AND ${LIVE_AND_UNLINKED}
  ORDER BY f.begun_macs IS NULL, s.expire DESC, s.sid LIMIT ${MAX_OF_USER}`;

const partBy = (table: string, user: string) => `
  WITH part AS (
    SELECT s.sid, s.sess, s.expire, ${user} AS name FROM ${table} s WHERE s.sid > $1 ORDER BY s.sid LIMIT ${PART}
  ), found AS (
    SELECT ${COLUMNS}
    FROM part s JOIN users u ON u.id = ${userNamed('s.name')} AND u.disabled_at IS NULL ${JOINS}
    WHERE ${LIVE_AND_UNLINKED} AND ($3::text IS NULL OR u.role = $3)
    ORDER BY s.sid LIMIT $2
  )
  SELECT (SELECT count(*) FROM part)::integer AS read, (SELECT max(sid) FROM part) AS last,
    coalesce((SELECT json_agg(found ORDER BY sid) FROM found), '[]') AS sessions`;

const LINKS_OF = `
  SELECT sid, family_id = $1 IS TRUE AS "isExchange", downgraded_id AS "downgradedId", ended_at IS NULL AS live
  FROM session_fates WHERE family_id = $1
  UNION ALL
  SELECT sid, false, downgraded_id, ended_at IS NULL FROM session_fates WHERE downgraded_id = $1`;

const REMEMBER = `
  INSERT INTO session_handles (id, sid, listed_at)
  SELECT id, sid, clock_timestamp() FROM unnest($1::uuid[], $2::text[]) AS shown (id, sid) ORDER BY id
  ON CONFLICT (id) DO UPDATE SET listed_at = excluded.listed_at`;

const SID_OF = `SELECT sid FROM session_handles WHERE id = $1`;

const REVOKED = `
  SELECT 1 FROM session_handles h JOIN session_fates f ON f.sid = h.sid WHERE h.id = $1 AND f.user_id = $2 AND f.ended_at IS NOT NULL`;

const ownerBy = (table: string, user: string) => `
  SELECT ${userNamed('named.name')} AS "userId"
  FROM ${table} s CROSS JOIN LATERAL (SELECT ${user} AS name OFFSET 0) named WHERE s.sid = $1`;

const REMOVE_OLD = `
  DELETE FROM session_handles
  WHERE id IN (SELECT id FROM session_handles WHERE listed_at < now() - interval '7 days' LIMIT $1)
  RETURNING id`;

/** Reads the sessions that lists contain, and keeps the ids under which they were shown. */
@Injectable()
export class SessionListStore {
  private readonly ofUserText: string;
  private readonly partText: string;
  private readonly ownerText: string;

  constructor(
    private readonly database: Database,
    table: SessionTable,
    private readonly origins: SessionOriginService,
    @Inject(CONFIG) { sessionUserKey }: TransitionConfig,
  ) {
    const user = userIn(table, sessionUserKey);
    this.ofUserText = ofUserBy(table.rows, user);
    this.partText = partBy(table.rows, user);
    this.ownerText = ownerBy(table.rows, user);
  }

  /**
   * The user's sessions, at most 200: those that this service began, then those that live longest. Without sessions that are refused
   * because the product began them for an administrator.
   */
  async ofUser(userId: string): Promise<UnlinkedSession[]> {
    const sessions = await onSessionTable(() =>
      this.database.query<UnlinkedSession & Record<string, unknown>>(this.ofUserText, [userId]),
    );
    return this.usable(sessions);
  }

  /** Examines the next rows after the session `after` and returns at most `limit` sessions of users, perhaps only of those with a role. */
  async part(after: string, limit: number, role?: Role): Promise<SessionPart> {
    type Row = { read: number; last: string | null; sessions: UnlinkedSession[] };
    const [row] = await onSessionTable(() =>
      this.database.query<Row>(this.partText, [after, limit, role ?? null]),
    );
    const { read, last, sessions } = row!;
    const end = sessions.length === limit ? sessions.at(-1)!.sid : read === PART ? last! : undefined;
    return { sessions: this.usable(sessions), last: end };
  }

  /** The sessions that the family was exchanged from and downgraded to. */
  async linksOf(familyId: string): Promise<SessionLinkView[]> {
    return this.database.query<SessionLinkView & Record<string, unknown>>(LINKS_OF, [familyId]);
  }

  /** Keeps the ids of sessions that are about to be shown. */
  async remember(shown: readonly { readonly id: string; readonly sid: string }[]): Promise<void> {
    if (shown.length === 0) return;
    await this.database.query(REMEMBER, [shown.map(({ id }) => id), shown.map(({ sid }) => sid)]);
  }

  /** The session that was shown under this id. */
  async sidOf(id: string): Promise<string | undefined> {
    return (await this.database.query<{ sid: string }>(SID_OF, [id]))[0]?.sid;
  }

  /** Whether a session of the user that was shown under this id has been revoked. */
  async isRevoked(id: string, userId: string): Promise<boolean> {
    return (await this.database.query(REVOKED, [id, userId])).length > 0;
  }

  /** The user whom the session's row names. Undefined if there is no row, null if it names no user. */
  async ownerOf(sid: string): Promise<string | null | undefined> {
    const [row] = await onSessionTable(() =>
      this.database.query<{ userId: string | null }>(this.ownerText, [sid]),
    );
    return row?.userId;
  }

  /** Deletes at most `batch` ids that were shown a week ago or earlier, and returns how many. */
  async removeOld(batch: number): Promise<number> {
    return (await this.database.query(REMOVE_OLD, [batch])).length;
  }

  private usable(sessions: readonly UnlinkedSession[]): UnlinkedSession[] {
    return sessions.filter((session) => this.origins.signsIn(session));
  }
}
