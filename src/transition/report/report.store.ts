import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import type { LatencyBins } from './latency-histogram.js';
import { SCHEMES } from './scheme.js';
import type { Scheme } from './scheme.js';

/** What happened to one scheme in a window. */
export interface Figures {
  readonly requests: number;
  /** Distinct users who came in. */
  readonly users: number;
  /** Requests that were answered with a problem, by its code. */
  readonly errors: ReadonlyMap<string, number>;
  readonly latency: LatencyBins;
  /** Logins that were cut off although nobody ended them, by cause. */
  readonly unexpectedLogouts: ReadonlyMap<string, number>;
}

export type FiguresByScheme = Readonly<Record<Scheme, Figures>>;

/** Milliseconds, on the database's clock: from `since` until just before `until`. */
export interface Window {
  readonly since: number;
  readonly until: number;
}

interface Row {
  readonly [column: string]: unknown;
  readonly scheme: Scheme;
  readonly kind: 'latency' | 'error' | 'users' | 'logout';
  readonly key: string;
  readonly n: number;
}

/** A stretch belongs to a window if it begins in it or reaches into it. */
const SUMS = `
  WITH w AS (SELECT to_timestamp($1::float8 / 1000) AS since, to_timestamp($2::float8 / 1000) AS until)
  SELECT scheme, kind, key, sum(n)::float8 AS n FROM report_buckets, w
  WHERE at > w.since - interval '1 hour' AND at < w.until AND at + make_interval(secs => span) > w.since
  GROUP BY scheme, kind, key
  UNION ALL
  SELECT scheme, 'users', '', count(DISTINCT user_id)::float8 FROM scheme_uses, w
  WHERE at > w.since - interval '1 day' AND at < w.until AND last_at >= w.since AND first_at < w.until
  GROUP BY scheme
  UNION ALL
  SELECT scheme, 'logout', cause, count(*)::float8 FROM unexpected_logouts, w
  WHERE at >= w.since AND at < w.until
  GROUP BY scheme, cause`;

/** Reads what all nodes have written. */
@Injectable()
export class ReportStore {
  constructor(private readonly database: Database) {}

  /**
   * The figures of both schemes, one statement. Up to five seconds behind. Exact to the second in the last hour, to the
   * minute in the last three days, to the hour before: what a stretch of that length reaches into counts whole. Cheap enough to be asked
   * every few seconds for windows of hours.
   */
  async figures(window: Window): Promise<FiguresByScheme> {
    const rows = await this.database.query<Row>(SUMS, [window.since, window.until]);
    return Object.fromEntries(SCHEMES.map((scheme) => [scheme, figuresOf(rows, scheme)])) as Record<
      Scheme,
      Figures
    >;
  }
}

function figuresOf(rows: readonly Row[], scheme: Scheme): Figures {
  const own = rows.filter((row) => row.scheme === scheme);
  const of = (kind: Row['kind']) =>
    own.filter((row) => row.kind === kind).map(({ key, n }) => [key, n] as const);
  const latency = new Map(of('latency').map(([bin, n]) => [Number(bin), n]));
  return {
    requests: [...latency.values()].reduce((sum, n) => sum + n, 0),
    users: of('users')[0]?.[1] ?? 0,
    errors: new Map(of('error')),
    latency,
    unexpectedLogouts: new Map(of('logout')),
  };
}
