import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import type { LatencyBins } from './latency-histogram.js';
import { DAY, USE_SPAN } from './report-window.js';
import type { Window } from './report-window.js';
import { SCHEMES } from './report.entity.js';
import type { CountKind, Scheme } from './report.entity.js';
import { AGENTS, COUNT_BUCKETS, REFUSED, SESSION_USES, USERS, USER_BUCKETS, WHOLE } from './report.sql.js';

/** The figures of one scheme in a window. */
export interface Figures {
  readonly requests: number;
  /** Distinct users. */
  readonly users: number;
  /** Requests that were answered with a problem, by code. */
  readonly errors: ReadonlyMap<string, number>;
  readonly latency: LatencyBins;
  /** Families and sessions that were refused although nobody revoked them, by cause. */
  readonly unexpectedLogouts: ReadonlyMap<string, number>;
  readonly evidence: Evidence;
}

/** The part of the figures that verified principals caused. An anonymous request cannot change it. */
export interface Evidence {
  readonly requests: number;
  readonly errors: ReadonlyMap<string, number>;
  /** Unexpected logouts of known users. For whole windows only, not for buckets. */
  readonly unexpectedLogouts: number;
}

export type FiguresByScheme = Readonly<Record<Scheme, Figures>>;

/** A user agent that uses sessions. */
export interface SessionAgent {
  readonly userAgent: string;
  readonly users: number;
  readonly requests: number;
  readonly lastSeen: Date;
}

/** The requests by session that were refused for a cause. */
export interface RefusedRequests {
  readonly cause: string;
  readonly requests: number;
  /** The times are as coarse as the stored intervals: a second, a minute or an hour. */
  readonly firstSeen: Date;
  readonly lastSeen: Date;
}

interface Row {
  readonly [column: string]: unknown;
  /** The start of the slot, in seconds since the epoch. */
  readonly slot: number;
  readonly scheme: Scheme;
  readonly kind: CountKind | 'users' | 'logout' | 'proved_logout';
  readonly key: string;
  readonly n: number;
}

/** When a user last used a session that had not been exchanged for tokens, and with which user agent. */
export interface SessionUse {
  readonly userId: string;
  /** The user agent, cut at 256 characters. `none` for clients without one, `other` for users with very many of them. */
  readonly userAgent: string;
  readonly lastSeen: Date;
}

const FIRST_ID = '00000000-0000-0000-0000-000000000000';

/**
 * Reads the figures of all nodes, at most five seconds old. The statements are planned for their values, because a query plan for an
 * hour is bad for three months.
 */
@Injectable()
export class ReportStore {
  constructor(private readonly database: Database) {}

  /**
   * The figures of both schemes in one statement, cheap enough for a poll every few seconds. Edges are exact to the second in the last
   * ten minutes, to the minute in the last three days, and to the hour before that: an interval counts as a whole.
   */
  async figures({ since, until }: Window): Promise<FiguresByScheme> {
    return figuresOf(await this.database.queryUnprepared<Row>(WHOLE, [since, until]));
  }

  /**
   * The same by buckets of `seconds`. The key is the start of the bucket in seconds since the epoch. Buckets without requests are left
   * out. Users are not known for buckets shorter than an hour.
   */
  async buckets({ since, until }: Window, seconds: number): Promise<ReadonlyMap<number, FiguresByScheme>> {
    const rows = await this.database.queryUnprepared<Row>(COUNT_BUCKETS, [since, until, seconds]);
    if (seconds >= USE_SPAN) {
      const other = seconds === USE_SPAN ? DAY : USE_SPAN;
      rows.push(...(await this.database.queryUnprepared<Row>(USER_BUCKETS, [since, until, seconds, other])));
    }
    const bySlot = new Map<number, Row[]>();
    for (const row of rows) {
      const own = bySlot.get(row.slot);
      if (own === undefined) bySlot.set(row.slot, [row]);
      else own.push(row);
    }
    return new Map([...bySlot].map(([slot, own]) => [slot, figuresOf(own)]));
  }

  /** The distinct users of each scheme. */
  async users({ since, until }: Window): Promise<Readonly<Record<Scheme, number>>> {
    const rows = await this.database.queryUnprepared<{ scheme: Scheme; n: number }>(USERS, [since, until]);
    const of = (wanted: Scheme) => rows.find(({ scheme }) => scheme === wanted)?.n ?? 0;
    return { bearer: of('bearer'), session: of('session') };
  }

  /** The user agents that still use sessions, most users first: at most a hundred, and `other`. */
  async sessionAgents({ since, until }: Window): Promise<SessionAgent[]> {
    return this.database.queryUnprepared<SessionAgent & Record<string, unknown>>(AGENTS, [since, until]);
  }

  /** The requests by session that were refused because of a setting, by cause. */
  async refused({ since, until }: Window): Promise<RefusedRequests[]> {
    return this.database.queryUnprepared<RefusedRequests & Record<string, unknown>>(REFUSED, [since, until]);
  }

  /**
   * The users who used a session in the last `days` (at most 90) that had not been exchanged for tokens, each with the latest such use,
   * ordered by id: at most `limit` of those after `afterUserId`. Deleted users may be among them.
   */
  async sessionUses(days: number, limit: number, afterUserId: string = FIRST_ID): Promise<SessionUse[]> {
    return this.database.query<SessionUse & Record<string, unknown>>(SESSION_USES, [
      days,
      afterUserId,
      limit,
    ]);
  }
}

/** The figures of both schemes. Without rows all figures are zero. */
export function figuresOf(rows: readonly Row[]): FiguresByScheme {
  return Object.fromEntries(
    SCHEMES.map((scheme) => {
      const own = rows.filter((row) => row.scheme === scheme);
      const of = (kind: Row['kind']) =>
        own.filter((row) => row.kind === kind).map(({ key, n }) => [key, n] as const);
      const latency = new Map(of('latency').map(([bin, n]) => [Number(bin), n]));
      const figures: Figures = {
        requests: sum([...latency.values()]),
        users: of('users')[0]?.[1] ?? 0,
        errors: new Map(of('error')),
        latency,
        unexpectedLogouts: new Map(of('logout')),
        evidence: {
          requests: of('proved')[0]?.[1] ?? 0,
          errors: new Map(of('proved_error')),
          unexpectedLogouts: of('proved_logout')[0]?.[1] ?? 0,
        },
      };
      return [scheme, figures];
    }),
  ) as unknown as FiguresByScheme;
}

/** The sum of the buckets of a window. The same user may be in several of them, so the distinct users are a parameter. */
export function totalOf(
  buckets: readonly FiguresByScheme[],
  users: Readonly<Record<Scheme, number>>,
): FiguresByScheme {
  const of = (scheme: Scheme): Figures => {
    const own = buckets.map((bucket) => bucket[scheme]);
    return {
      requests: sum(own.map(({ requests }) => requests)),
      users: users[scheme],
      errors: summed(own.map(({ errors }) => errors)),
      latency: summed(own.map(({ latency }) => latency)),
      unexpectedLogouts: summed(own.map(({ unexpectedLogouts }) => unexpectedLogouts)),
      evidence: {
        requests: sum(own.map(({ evidence }) => evidence.requests)),
        errors: summed(own.map(({ evidence }) => evidence.errors)),
        unexpectedLogouts: sum(own.map(({ evidence }) => evidence.unexpectedLogouts)),
      },
    };
  };
  return { bearer: of('bearer'), session: of('session') };
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, n) => total + n, 0);
}

function summed<Key>(counts: readonly ReadonlyMap<Key, number>[]): ReadonlyMap<Key, number> {
  const sums = new Map<Key, number>();
  for (const [key, n] of counts.flatMap((map) => [...map])) sums.set(key, (sums.get(key) ?? 0) + n);
  return sums;
}
