import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { Database } from '../../../database/database.js';
import type { Sql } from '../../../database/database.js';
import type { DowngradedSession } from './downgraded-session.js';
import type { SessionExtension } from '../stores/session-row.store.js';
import { onSessionTable, writeSessionTable } from '../stores/session-table.js';
import { userAt, userNamed } from '../stores/session-user.sql.js';

/** How it stands with the session that shares a login's fate. */
export interface LinkState {
  readonly sid: string;
  /** It ended elsewhere: its row was deleted before its time, or names another user by now. */
  readonly lost: boolean;
  /** It has not expired. */
  readonly live: boolean;
}

export interface NewDowngradedSession {
  readonly sid: string;
  readonly userId: string;
  readonly familyId: string;
  readonly spentGeneration: number;
  /** Milliseconds. */
  readonly endsAt: number;
}

/** What a part of the linked sessions needs. */
export interface Sweep {
  /** Where the next part begins; null after the last. */
  readonly next: string | null;
  /** Logins whose session ended elsewhere. */
  readonly lost: readonly string[];
  /** Sessions that another application has shortened: they are to live as long as their logins. */
  readonly short: readonly SessionExtension[];
}

interface Swept {
  readonly familyId: string;
  readonly expiresAt: Date;
  readonly sid: string;
  readonly lost: boolean;
  readonly isShort: boolean;
}

const LINK = `
  INSERT INTO session_fates (sid, user_id, family_id) VALUES ($1, $2, $3)
  ON CONFLICT (sid) DO UPDATE SET family_id = excluded.family_id
  WHERE session_fates.family_id IS NULL AND session_fates.ended_at IS NULL AND session_fates.user_id = excluded.user_id
  RETURNING sid`;

const ends = (parameter: string) => `to_timestamp(${parameter}::float8 / 1000)`;

const holdBy = (path: string) => `
  UPDATE session SET expire = greatest(expire::timestamptz, ${ends('$3')})
  WHERE sid = $1 AND expire > clock_timestamp() AND ${userNamed(userAt(path))} = $2 RETURNING sid`;

/** `s` and `f`: the row and what is known of it. A row that expired and was removed then ends nothing. */
const LOST = `
  (f.row_expired IS FALSE OR (s.sid IS NULL AND f.row_expired IS NULL)
    OR (s.sid IS NOT NULL AND ${userNamed('named.name')} IS DISTINCT FROM f.user_id))`;

/** OFFSET 0: what the row names is worked out once, however often it is compared. */
const named = (path: string) => `CROSS JOIN LATERAL (SELECT ${userAt(path)} AS name OFFSET 0) named`;

const stateBy = (path: string) => `
  SELECT f.sid, ${LOST} AS lost, s.expire > clock_timestamp() IS TRUE AS live
  FROM session_fates f LEFT JOIN session s ON s.sid = f.sid ${named(path)}
  WHERE f.family_id = $1 AND f.ended_at IS NULL`;

const REPLACE = `
  INSERT INTO session_fates (sid, user_id, downgraded_id, spent_generation, ends_at) VALUES ($1, $2, $3, $4, ${ends('$5')})`;

const REPLACEMENT = `
  SELECT f.sid, f.spent_generation AS "spentGeneration", f.seen_at IS NOT NULL AS seen, f.ended_at IS NOT NULL AS ended,
    extract(epoch FROM clock_timestamp() - t.revoked_at)::float8 AS age
  FROM session_fates f JOIN refresh_tokens t ON t.id = f.downgraded_id WHERE f.downgraded_id = $1`;

const DELIVERED_BY_COOKIE = `
  SELECT 1 FROM session_fates f JOIN refresh_tokens t ON t.id = f.downgraded_id WHERE f.sid = $1 AND t.delivery = 'cookie'`;

const LOST_ROWS = `
  SELECT f.family_id AS "familyId" FROM session_fates f JOIN refresh_tokens t ON t.id = f.family_id AND t.revoked_at IS NULL
  WHERE f.row_expired = false AND f.ended_at IS NULL LIMIT $1`;

const sweepBy = (path: string) => `
  WITH part AS (
    SELECT f.sid, f.user_id, f.row_expired, f.family_id, t.expires_at
    FROM session_fates f
    JOIN refresh_tokens t ON t.id = f.family_id AND t.revoked_at IS NULL AND t.expires_at > clock_timestamp()
    WHERE f.family_id > $1 AND f.ended_at IS NULL
    ORDER BY f.family_id LIMIT $2
  ), judged AS (
    SELECT f.family_id, f.expires_at, s.sid, s.expire, ${LOST} AS lost
    FROM part f LEFT JOIN session s ON s.sid = f.sid ${named(path)}
  )
  SELECT family_id AS "familyId", expires_at AS "expiresAt", sid, lost,
    expire > clock_timestamp() AND expire < expires_at - interval '1 second' AS "isShort"
  FROM judged ORDER BY family_id`;

const REMOVE_FORGOTTEN = `
  DELETE FROM session_fates WHERE sid IN (
    SELECT f.sid FROM session_fates f
    WHERE coalesce(f.ended_at, '-infinity') < now() - interval '1 day'
      AND NOT EXISTS (SELECT 1 FROM session s WHERE s.sid = f.sid)
      AND NOT EXISTS (SELECT 1 FROM refresh_tokens t WHERE t.id IN (f.family_id, f.downgraded_id))
    LIMIT $1)
  RETURNING sid`;

/** Which session stands with which login: all SQL of how the two come together and go on. */
@Injectable()
export class SessionLinkStore {
  private readonly holdText: string;
  private readonly stateText: string;
  private readonly sweepText: string;

  constructor(
    private readonly database: Database,
    @Inject(CONFIG) config: TransitionConfig,
  ) {
    this.holdText = holdBy(config.sessionUserKey);
    this.stateText = stateBy(config.sessionUserKey);
    this.sweepText = sweepBy(config.sessionUserKey);
  }

  /** From the commit on they share one fate. False, and nothing written, if the session has ended or had a login before. */
  async link(sql: Sql, sid: string, userId: string, familyId: string): Promise<boolean> {
    return (await sql.query(LINK, [sid, userId, familyId])).length > 0;
  }

  /** Locks the row and lets it live until then (milliseconds) at least. False if it is gone, or another user's. */
  async hold(sql: Sql, sid: string, userId: string, until: number): Promise<boolean> {
    const held = await writeSessionTable(sql, () => sql.query(this.holdText, [sid, userId, until]));
    return held.length > 0;
  }

  /** Undefined for a login that stands alone. */
  async stateOf(familyId: string): Promise<LinkState | undefined> {
    const found = await onSessionTable(() =>
      this.database.query<LinkState & Record<string, unknown>>(this.stateText, [familyId]),
    );
    return found[0];
  }

  /** The session stands for a login that is given up. */
  async replace(
    sql: Sql,
    { sid, userId, familyId, spentGeneration, endsAt }: NewDowngradedSession,
  ): Promise<void> {
    await sql.query(REPLACE, [sid, userId, familyId, spentGeneration, endsAt]);
  }

  /** The session that the login was given up for. */
  async replacementOf(familyId: string, sql: Sql = this.database): Promise<DowngradedSession | undefined> {
    return (await sql.query<DowngradedSession & Record<string, unknown>>(REPLACEMENT, [familyId]))[0];
  }

  /** Whether the session replaced a family whose refresh token no script could read. Known for as long as the session lives. */
  async isDeliveredByCookie(sql: Sql, sid: string): Promise<boolean> {
    return (await sql.query(DELIVERED_BY_COOKIE, [sid])).length > 0;
  }

  /** Logins whose session's row was deleted by another application before its time, at most `batch`. */
  async lostRows(batch: number): Promise<string[]> {
    const rows = await this.database.query<{ familyId: string }>(LOST_ROWS, [batch]);
    return rows.map(({ familyId }) => familyId);
  }

  /** Looks at the next `batch` linked sessions after that login. */
  async sweep(after: string, batch: number): Promise<Sweep> {
    const rows = await this.database.query<Swept & Record<string, unknown>>(this.sweepText, [after, batch]);
    return {
      next: rows.length === batch ? rows.at(-1)!.familyId : null,
      lost: rows.filter(({ lost }) => lost).map(({ familyId }) => familyId),
      short: rows
        .filter(({ lost, isShort }) => !lost && isShort)
        .map(({ sid, expiresAt }) => ({ sid, until: expiresAt })),
    };
  }

  /** Forgets at most `batch` sessions that nobody can bring back; says how many. */
  async removeForgotten(batch: number): Promise<number> {
    return (await this.database.query(REMOVE_FORGOTTEN, [batch])).length;
  }
}
