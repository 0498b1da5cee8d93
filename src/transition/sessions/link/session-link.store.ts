import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { Database } from '../../../database/database.js';
import type { Sql } from '../../../database/database.js';
import { SessionOriginService } from '../stores/session-origin.service.js';
import type { ProvableSession } from '../stores/session-origin.service.js';
import type { LinkState, Sweep } from '../stores/session.store.js';
import { SessionTable } from '../table/session-table.js';
import {
  onSessionTable,
  userIn,
  userNamed,
  userOfRow,
  writeSessionTable,
} from '../stores/session-table.sql.js';

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

/** SQL that converts a parameter in milliseconds since the epoch. */
const toTimestamp = (parameter: string) => `to_timestamp(${parameter}::float8 / 1000)`;

const lockRowBy = (table: SessionTable, path: string) => `
  UPDATE ${table.qualifiedName} s
  SET ${table.layout.expire} = ${table.stored(`greatest(${table.expiryOf('s')}::timestamptz, ${toTimestamp('$3')})`)}
  WHERE s.${table.layout.sid} = $1 AND ${table.expiryOf('s')} > clock_timestamp() AND ${userNamed(userOfRow(table, path))} = $2
  RETURNING s.${table.layout.sid}`;

/** `s` is the row of the session, `f` its link. A row that was removed after it expired loses nothing. */
const LOST = `
  (f.row_expired IS FALSE OR (s.sid IS NULL AND f.row_expired IS NULL)
    OR (s.sid IS NOT NULL AND ${userNamed('named.name')} IS DISTINCT FROM f.user_id))`;

/** OFFSET 0 makes PostgreSQL compute the user of the row once, although the statement compares it several times. */
const named = (user: string) => `CROSS JOIN LATERAL (SELECT ${user} AS name OFFSET 0) named`;

const stateBy = (table: string, user: string) => `
  SELECT f.sid, f.user_id AS "userId", u.role, f.begun_macs AS "begunMacs", ${LOST} AS lost,
    s.expire > clock_timestamp() IS TRUE AS live
  FROM session_fates f JOIN users u ON u.id = f.user_id LEFT JOIN ${table} s ON s.sid = f.sid ${named(user)}
  WHERE f.family_id = $1 AND f.ended_at IS NULL`;

const LOST_ROWS = `
  SELECT f.family_id AS "familyId" FROM session_fates f JOIN refresh_tokens t ON t.id = f.family_id AND t.revoked_at IS NULL
  WHERE f.row_expired = false AND f.ended_at IS NULL LIMIT $1`;

const sweepBy = (table: string, user: string) => `
  WITH part AS (
    SELECT f.sid, f.user_id, f.row_expired, f.family_id, t.expires_at
    FROM session_fates f
    JOIN refresh_tokens t ON t.id = f.family_id AND t.revoked_at IS NULL AND t.expires_at > clock_timestamp()
    WHERE f.family_id > $1 AND f.ended_at IS NULL
    ORDER BY f.family_id LIMIT $2
  ), judged AS (
    SELECT f.family_id, f.expires_at, s.sid, s.expire, ${LOST} AS lost
    FROM part f LEFT JOIN ${table} s ON s.sid = f.sid ${named(user)}
  )
  SELECT family_id AS "familyId", expires_at AS "expiresAt", sid, lost,
    expire > clock_timestamp() AND expire < expires_at - interval '1 second' AS "isShort"
  FROM judged ORDER BY family_id`;

/** A product can restore an old session in a store outside of the database at any time. */
const KEPT = { table: '1 day', record: '30 days' } as const;

const removeForgottenIn = (table: string, kept: string) => `
  DELETE FROM session_fates WHERE sid IN (
    SELECT f.sid FROM session_fates f
    WHERE coalesce(f.ended_at, '-infinity') < now() - interval '${kept}'
      AND NOT EXISTS (SELECT 1 FROM ${table} s WHERE s.sid = f.sid)
      AND NOT EXISTS (SELECT 1 FROM refresh_tokens t WHERE t.id IN (f.family_id, f.downgraded_id))
    LIMIT $1)
  RETURNING sid`;

/** Stores which session is linked to which family: the SQL that links them and keeps them together. */
@Injectable()
export class SessionLinkStore {
  private readonly lockRowText: string;
  private readonly stateText: string;
  private readonly sweepText: string;
  private readonly removeForgottenText: string;

  constructor(
    private readonly database: Database,
    table: SessionTable,
    private readonly origins: SessionOriginService,
    @Inject(CONFIG) config: TransitionConfig,
  ) {
    const user = userIn(table, config.sessionUserKey);
    this.lockRowText = lockRowBy(table, config.sessionUserKey);
    this.stateText = stateBy(table.rows, user);
    this.sweepText = sweepBy(table.rows, user);
    this.removeForgottenText = removeForgottenIn(table.rows, table.isRecord ? KEPT.record : KEPT.table);
  }

  /** Links the session and the family. Returns false and writes nothing if the session was revoked or exchanged before. */
  async link(sql: Sql, sid: string, userId: string, familyId: string): Promise<boolean> {
    return (await sql.query(LINK, [sid, userId, familyId])).length > 0;
  }

  /** Locks the row and extends it to `until` (milliseconds) at least. False if it was deleted or names another user. */
  async lockRow(sql: Sql, sid: string, userId: string, until: number): Promise<boolean> {
    const locked = await writeSessionTable(sql, () => sql.query(this.lockRowText, [sid, userId, until]));
    return locked.length > 0;
  }

  /** Reads the link of a family; undefined for an unlinked family. */
  async stateOf(familyId: string): Promise<LinkState | undefined> {
    const found = await onSessionTable(() =>
      this.database.query<LinkState & ProvableSession & Record<string, unknown>>(this.stateText, [familyId]),
    );
    const [state] = found;
    return state && { ...state, lost: state.lost || !this.origins.signsIn(state) };
  }

  /** Returns at most `batch` families whose session's row another application deleted before it expired. */
  async lostRows(batch: number): Promise<string[]> {
    const rows = await this.database.query<{ familyId: string }>(LOST_ROWS, [batch]);
    return rows.map(({ familyId }) => familyId);
  }

  /** Reads the next `batch` linked sessions, in the order of their families, after that family. */
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

  /** Deletes the links of at most `batch` sessions that cannot come back; returns how many. */
  async removeForgotten(batch: number): Promise<number> {
    return (await this.database.query(this.removeForgottenText, [batch])).length;
  }
}
