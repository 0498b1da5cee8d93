import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import type { LatencyBins } from './latency-histogram.js';
import type { Window } from './report-window.js';
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

/** A user agent that sessions are used with. */
export interface SessionAgent {
  readonly userAgent: string;
  readonly users: number;
  readonly requests: number;
  readonly lastSeen: Date;
}

interface Row {
  readonly [column: string]: unknown;
  /** Seconds since the epoch. */
  readonly slot: number;
  readonly scheme: Scheme;
  readonly kind: 'latency' | 'error' | 'users' | 'logout';
  readonly key: string;
  readonly n: number;
}

const SINCE = `to_timestamp($1::float8 / 1000)`;
const UNTIL = `to_timestamp($2::float8 / 1000)`;

/** The beginning of the bucket that a time is in; NULL if the whole window is one. */
const BIN = `CASE WHEN $3::integer > 0 THEN date_bin(make_interval(secs => $3::integer), at, timestamptz 'epoch') END`;

/** Whether a user was there between the first and the last time that is kept of a stretch does not matter at its edges. */
const USED = `span = ANY ('{3600,86400}') AND at > ${SINCE} - interval '1 day' AND at < ${UNTIL}
    AND last_at >= ${SINCE} AND first_at < ${UNTIL}`;

/** A stretch belongs to a window if it reaches into it. Users are no sums: they are told apart first, which is faster too. */
const SUMS = `
  SELECT coalesce(extract(epoch FROM bin)::float8, 0) AS slot, scheme, kind, key, n FROM (
    SELECT ${BIN} AS bin, scheme, kind, key, sum(n)::float8 AS n FROM report_buckets
    WHERE span = ANY ('{1,60,3600}') AND at > ${SINCE} - interval '1 hour' AND at < ${UNTIL}
      AND at + make_interval(secs => span) > ${SINCE}
    GROUP BY 1, scheme, kind, key
    UNION ALL
    SELECT bin, scheme, 'users', '', count(*)::float8
    FROM (SELECT DISTINCT ${BIN} AS bin, scheme, user_id FROM scheme_uses WHERE ${USED}) AS users GROUP BY bin, scheme
    UNION ALL
    SELECT ${BIN}, scheme, 'logout', cause, count(*)::float8 FROM unexpected_logouts
    WHERE at >= ${SINCE} AND at < ${UNTIL} GROUP BY 1, scheme, cause
  ) AS sums`;

/** What comes after the hundredth is added up. */
const AGENTS = `
  WITH used AS (
    SELECT user_agent, user_id, sum(requests) AS requests, max(last_at) AS last_at FROM scheme_uses
    WHERE scheme = 'session' AND ${USED} GROUP BY user_agent, user_id
  ), ranked AS (
    SELECT user_agent, row_number() OVER (ORDER BY count(*) DESC, user_agent) AS place FROM used GROUP BY user_agent
  ), named AS (
    SELECT CASE WHEN place <= 100 THEN user_agent ELSE 'other' END AS user_agent, user_id, sum(requests) AS requests,
      max(last_at) AS last_at
    FROM used JOIN ranked USING (user_agent) GROUP BY 1, user_id
  )
  SELECT user_agent AS "userAgent", count(*)::float8 AS users, sum(requests)::float8 AS requests,
    max(last_at) AS "lastSeen"
  FROM named GROUP BY user_agent ORDER BY users DESC, requests DESC, user_agent`;

/** Reads what all nodes have written: at most five seconds behind. */
@Injectable()
export class ReportStore {
  constructor(private readonly database: Database) {}

  /**
   * The figures of both schemes in one statement, cheap enough to be asked for every few seconds. Edges are exact to the second
   * in the last ten minutes, to the minute in the last three days, and to the hour before: what is kept of a stretch counts whole.
   */
  async figures(window: Window): Promise<FiguresByScheme> {
    return figuresOf(await this.rows(window, 0));
  }

  /**
   * The same by stretches of `seconds`, by their beginning in seconds since the epoch. Those without requests are left out. Users are
   * not known of stretches shorter than an hour.
   */
  async buckets(window: Window, seconds: number): Promise<ReadonlyMap<number, FiguresByScheme>> {
    const bySlot = new Map<number, Row[]>();
    for (const row of await this.rows(window, seconds)) {
      const rows = bySlot.get(row.slot);
      if (rows === undefined) bySlot.set(row.slot, [row]);
      else rows.push(row);
    }
    return new Map([...bySlot].map(([slot, rows]) => [slot, figuresOf(rows)]));
  }

  /** Who still uses sessions: the user agents with most users first, at most a hundred and `other`. */
  async sessionAgents({ since, until }: Window): Promise<SessionAgent[]> {
    return this.database.query<SessionAgent & Record<string, unknown>>(AGENTS, [since, until]);
  }

  private rows({ since, until }: Window, seconds: number): Promise<Row[]> {
    return this.database.query<Row>(SUMS, [since, until, seconds]);
  }
}

/** The figures of both schemes. Rows of nothing are figures of nothing. */
export function figuresOf(rows: readonly Row[]): FiguresByScheme {
  return Object.fromEntries(
    SCHEMES.map((scheme) => {
      const own = rows.filter((row) => row.scheme === scheme);
      const of = (kind: Row['kind']) =>
        own.filter((row) => row.kind === kind).map(({ key, n }) => [key, n] as const);
      const latency = new Map(of('latency').map(([bin, n]) => [Number(bin), n]));
      const figures: Figures = {
        requests: [...latency.values()].reduce((sum, n) => sum + n, 0),
        users: of('users')[0]?.[1] ?? 0,
        errors: new Map(of('error')),
        latency,
        unexpectedLogouts: new Map(of('logout')),
      };
      return [scheme, figures];
    }),
  ) as unknown as FiguresByScheme;
}
