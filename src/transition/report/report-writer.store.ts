import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import { UNLINKED } from './report.sql.js';
import { USE_SPAN } from './report-window.js';
import type { LogoutCause } from './logouts/refused-credential.js';
import type { Scheme } from './report.entity.js';
import type { CountRow } from './request-tally.js';
import type { UseRow } from './use-tally.js';

/** The counts of a node since its last batch. */
export interface Batch {
  /** Identifies the process. */
  readonly node: string;
  /** Increases with each batch of a node. */
  readonly seq: number;
  readonly counts: readonly CountRow[];
  readonly uses: readonly UseRow[];
}

/** Ordered, so that nodes that write at the same time lock the rows in the same order. */
const WRITE = `
  WITH batch AS (
    INSERT INTO report_nodes (node, seq, at) VALUES ($1, $2, now())
    ON CONFLICT (node) DO UPDATE SET seq = excluded.seq, at = excluded.at WHERE report_nodes.seq < excluded.seq
    RETURNING 1
  ), counted AS (
    INSERT INTO report_buckets (at, span, scheme, kind, key, n)
    SELECT to_timestamp(at), 1, scheme, kind, key, n
    FROM json_to_recordset($3::json) AS c (at float8, scheme text, kind text, key text, n bigint)
    WHERE EXISTS (SELECT 1 FROM batch) ORDER BY at, scheme, kind, key
    ON CONFLICT ON CONSTRAINT report_buckets_pkey DO UPDATE SET n = report_buckets.n + excluded.n
  )
  INSERT INTO scheme_uses (at, span, scheme, user_id, user_agent, requests, first_at, last_at, unlinked_at)
  SELECT to_timestamp(at), $5, scheme, "userId", "userAgent", requests, to_timestamp(first / 1000), to_timestamp(last / 1000),
    CASE WHEN scheme = 'session' THEN coalesce(to_timestamp(unlinked / 1000), '-infinity') END
  FROM json_to_recordset($4::json) AS u
    (at float8, scheme text, "userId" uuid, "userAgent" text, requests integer, first float8, last float8,
      unlinked float8)
  WHERE EXISTS (SELECT 1 FROM batch) ORDER BY at, scheme, "userId", "userAgent"
  ON CONFLICT ON CONSTRAINT scheme_uses_pkey DO UPDATE SET requests = scheme_uses.requests + excluded.requests,
    first_at = least(scheme_uses.first_at, excluded.first_at), last_at = greatest(scheme_uses.last_at, excluded.last_at),
    unlinked_at = CASE WHEN excluded.scheme = 'session' THEN greatest(${UNLINKED}, excluded.unlinked_at) END`;

/** A family or session that was refused although nobody revoked it. */
export interface LogoutRow {
  readonly scheme: Scheme;
  /** Identifies the family or session without giving access. */
  readonly subject: string;
  readonly cause: LogoutCause;
  readonly userId: string | undefined;
  /** Milliseconds on the database's clock. */
  readonly at: number;
}

const ADD_LOGOUTS = `
  INSERT INTO unexpected_logouts (scheme, subject, cause, user_id, at)
  SELECT scheme, subject, cause, "userId", to_timestamp(at / 1000)
  FROM json_to_recordset($1::json) AS c (scheme text, subject text, cause text, "userId" uuid, at float8)
  ORDER BY scheme, subject
  ON CONFLICT ON CONSTRAINT unexpected_logouts_pkey DO NOTHING RETURNING scheme, cause`;

/** Adds the counts and the unexpected logouts that a node has found to those of all nodes. */
@Injectable()
export class ReportWriterStore {
  constructor(private readonly database: Database) {}

  /** Writes a batch in one statement. Does nothing if the batch has been written already and its answer was lost. */
  async write({ node, seq, counts, uses }: Batch): Promise<void> {
    await this.database.query(WRITE, [node, seq, JSON.stringify(counts), JSON.stringify(uses), USE_SPAN]);
  }

  /** Adds the logouts that are new, and returns them. Each subject counts once, for any number of refusals on any node. */
  async addLogouts(logouts: readonly LogoutRow[]): Promise<Pick<LogoutRow, 'scheme' | 'cause'>[]> {
    return this.database.query<Pick<LogoutRow, 'scheme' | 'cause'> & Record<string, unknown>>(ADD_LOGOUTS, [
      JSON.stringify(logouts),
    ]);
  }
}
