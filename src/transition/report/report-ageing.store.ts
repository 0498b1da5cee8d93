import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import { BUCKET_STEPS, RETENTION_DAYS, USE_STEPS } from './report-window.js';
import type { Step } from './report-window.js';
import { UNLINKED } from './report.sql.js';

/** The end of the rows that are old enough, rounded down to whole intervals of the longer kind. */
const LIMIT = `to_timestamp(floor((extract(epoch FROM now()) - $3::float8) / $2::integer) * $2::integer)`;

const SLOT = `to_timestamp(floor(extract(epoch FROM at) / $2::integer) * $2::integer)`;

const AGE_BUCKETS = `
  WITH removed AS (
    DELETE FROM report_buckets WHERE (span, at, scheme, kind, key) IN (
      SELECT span, at, scheme, kind, key FROM report_buckets WHERE span = $1::integer AND at < ${LIMIT}
      ORDER BY at LIMIT $4 FOR UPDATE SKIP LOCKED
    ) RETURNING at, scheme, kind, key, n
  ), added AS (
    INSERT INTO report_buckets (span, at, scheme, kind, key, n)
    SELECT $2::integer, ${SLOT}, scheme, kind, key, sum(n) FROM removed GROUP BY 2, scheme, kind, key
    ON CONFLICT ON CONSTRAINT report_buckets_pkey DO UPDATE SET n = report_buckets.n + excluded.n
  )
  SELECT count(*)::integer AS count FROM removed`;

const AGE_USES = `
  WITH removed AS (
    DELETE FROM scheme_uses WHERE (span, at, scheme, user_id, user_agent) IN (
      SELECT span, at, scheme, user_id, user_agent FROM scheme_uses WHERE span = $1::integer AND at < ${LIMIT}
      ORDER BY at LIMIT $4 FOR UPDATE SKIP LOCKED
    ) RETURNING at, scheme, user_id, user_agent, requests, first_at, last_at, unlinked_at
  ), added AS (
    INSERT INTO scheme_uses (span, at, scheme, user_id, user_agent, requests, first_at, last_at, unlinked_at)
    SELECT $2::integer, ${SLOT}, scheme, user_id, user_agent, sum(requests), min(first_at), max(last_at),
      CASE WHEN scheme = 'session' THEN max(coalesce(unlinked_at, last_at)) END
    FROM removed GROUP BY 2, scheme, user_id, user_agent
    ON CONFLICT ON CONSTRAINT scheme_uses_pkey DO UPDATE SET requests = scheme_uses.requests + excluded.requests,
      first_at = least(scheme_uses.first_at, excluded.first_at), last_at = greatest(scheme_uses.last_at, excluded.last_at),
      unlinked_at = CASE WHEN excluded.scheme = 'session' THEN greatest(${UNLINKED}, excluded.unlinked_at) END
  )
  SELECT count(*)::integer AS count FROM removed`;

const OLD = `now() - interval '${RETENTION_DAYS + 1} days'`;

const REMOVE = [
  `DELETE FROM report_buckets WHERE (span, at, scheme, kind, key) IN (
    SELECT span, at, scheme, kind, key FROM report_buckets
    WHERE span = ANY ('{1,60,3600}') AND at < ${OLD} LIMIT $1) RETURNING 1`,
  `DELETE FROM scheme_uses WHERE (span, at, scheme, user_id, user_agent) IN (
    SELECT span, at, scheme, user_id, user_agent FROM scheme_uses
    WHERE span = ANY ('{3600,86400}') AND at < ${OLD} LIMIT $1) RETURNING 1`,
  `DELETE FROM unexpected_logouts WHERE (scheme, subject) IN (
    SELECT scheme, subject FROM unexpected_logouts WHERE at < ${OLD} LIMIT $1) RETURNING 1`,
  // After seven days no batch of the node is in progress.
  `DELETE FROM report_nodes WHERE node IN (
    SELECT node FROM report_nodes WHERE at < now() - interval '7 days' LIMIT $1) RETURNING 1`,
];

/** Merges old intervals into longer ones, and deletes the oldest. Merging changes no sum. */
@Injectable()
export class ReportAgeingStore {
  constructor(private readonly database: Database) {}

  /** Each step is one statement for at most `batch` rows. It returns the number of rows. */
  get steps(): ((batch: number) => Promise<number>)[] {
    return [
      ...BUCKET_STEPS.map((step) => (batch: number) => this.age(AGE_BUCKETS, step, batch)),
      ...USE_STEPS.map((step) => (batch: number) => this.age(AGE_USES, step, batch)),
      ...REMOVE.map((text) => async (batch: number) => (await this.database.query(text, [batch])).length),
    ];
  }

  private async age(text: string, { from, to, age }: Step, batch: number): Promise<number> {
    const [row] = await this.database.query<{ count: number }>(text, [from, to, age, batch]);
    return row!.count;
  }
}
