import { Injectable } from '@nestjs/common';
import { cursorsOf } from '../../common/http/pagination.js';
import { Database } from '../../database/database.js';
import type { Sql } from '../../database/database.js';

export interface NewNotice {
  readonly id: string;
  /** The administrator; undefined on the command line. */
  readonly createdBy: string | undefined;
  readonly days: number;
  readonly subject: string;
  readonly text: string;
  readonly sunsetAt: number | null;
}

/** A notice and its progress. */
export interface NoticeProgress {
  readonly id: string;
  readonly created_at: Date;
  readonly days: number;
  readonly subject: string;
  readonly sunset_at: Date | null;
  readonly finished_at: Date | null;
  readonly queued: number;
  readonly pending: number;
  readonly sent: number;
  readonly unconfirmed: number;
  readonly failed: number;
}

const ADD = `
  INSERT INTO deprecation_notices (id, created_by, days, subject, text, sunset_at)
  VALUES ($1, $2, $3, $4, $5, to_timestamp($6::double precision / 1000))`;

const LIST = `
  SELECT notice.id, created_at, (extract(epoch FROM created_at) * 1000000)::bigint::text AS key, days, subject, sunset_at, finished_at,
    count(*)::integer AS queued,
    count(*) FILTER (WHERE state IN ('queued', 'sending', 'handed_over'))::integer AS pending,
    count(*) FILTER (WHERE state = 'sent')::integer AS sent,
    count(*) FILTER (WHERE state = 'sent' AND NOT confirmed)::integer AS unconfirmed,
    count(*) FILTER (WHERE state = 'failed')::integer AS failed
  FROM (
    SELECT * FROM deprecation_notices WHERE (created_at, id) < ('epoch'::timestamptz + $1::bigint * interval '1 microsecond', $2::uuid)
    ORDER BY created_at DESC, id DESC LIMIT $3) AS notice
  JOIN notice_recipients ON notice_id = notice.id
  GROUP BY notice.id, created_at, days, subject, sunset_at, finished_at
  ORDER BY created_at DESC, notice.id DESC`;

const FINISH = `
  WITH done AS (
    UPDATE deprecation_notices SET finished_at = clock_timestamp()
    WHERE finished_at IS NULL AND NOT EXISTS (
      SELECT 1 FROM notice_recipients
      WHERE notice_id = id AND state IN ('queued', 'sending', 'handed_over'))
    RETURNING id
  )
  INSERT INTO audit_events (event, cause, detail)
  SELECT 'mail', 'finished', jsonb_build_object('notice', done.id, 'sent', sent, 'unconfirmed', unconfirmed, 'failed', failed)
  FROM done CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE state = 'sent') AS sent, count(*) FILTER (WHERE NOT confirmed) AS unconfirmed,
      count(*) FILTER (WHERE state = 'failed') AS failed
    FROM notice_recipients WHERE notice_id = done.id) AS counted`;

const DEPRECATED_SINCE = `
  SELECT extract(epoch FROM min(at))::float8 * 1000 AS since FROM rollout_versions
  WHERE phase IN ('deprecation_notice', 'sessions_removed') AND version > coalesce((
    SELECT max(version) FROM rollout_versions WHERE phase NOT IN ('deprecation_notice', 'sessions_removed')), 0)`;

/** Later than any notice. */
const END = ['9999999999999999', 'ffffffff-ffff-ffff-ffff-ffffffffffff'] as const;

export interface NoticePage {
  readonly notices: NoticeProgress[];
  readonly next_cursor: string | null;
}

/** Microseconds since the epoch, and a UUID. */
const CURSORS = cursorsOf('notices', /^(\d{1,16}) ([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})$/);

/** The notices, and since when sessions are deprecated. */
@Injectable()
export class NoticeStore {
  constructor(private readonly database: Database) {}

  async add(sql: Sql, { id, createdBy, days, subject, text, sunsetAt }: NewNotice): Promise<void> {
    await sql.query(ADD, [id, createdBy ?? null, days, subject, text, sunsetAt]);
  }

  /** Newest first. Throws 400 for an invalid cursor. */
  async list(limit: number, cursor: string | undefined): Promise<NoticePage> {
    const [at, id] = cursor === undefined ? END : CURSORS.read(cursor).slice(1);
    const rows = await this.database.query<NoticeProgress & { key: string }>(LIST, [at, id, limit + 1]);
    const last = rows[limit - 1];
    return {
      notices: rows.slice(0, limit).map((row) => ({ ...row, key: undefined })),
      next_cursor: rows.length > limit && last !== undefined ? CURSORS.write(`${last.key} ${last.id}`) : null,
    };
  }

  /** Marks the notices as finished that have no mail left to send. Audits each once, in the same statement. */
  async finish(): Promise<void> {
    await this.database.query(FINISH);
  }

  /** Milliseconds since the epoch; undefined if sessions are not deprecated. */
  async deprecatedSince(): Promise<number | undefined> {
    const [row] = await this.database.query<{ since: number | null }>(DEPRECATED_SINCE);
    return row?.since ?? undefined;
  }
}
