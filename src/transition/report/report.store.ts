import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import type { LatencyBins } from './latency-histogram.js';
import { DAY, USE_SPAN } from './report-spans.js';
import type { CountKind } from './report-bucket.entity.js';
import type { Window } from './report-window.js';
import { AGENTS, COUNT_BUCKETS, USERS, USER_BUCKETS, WHOLE } from './report.sql.js';
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
  readonly evidence: Evidence;
}

/** The part of the figures that proved principals caused: nothing that an anonymous request can change. */
export interface Evidence {
  readonly requests: number;
  readonly errors: ReadonlyMap<string, number>;
  /** Unexpected logouts of known users. Of whole windows only, not of buckets. */
  readonly unexpectedLogouts: number;
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
  readonly kind: CountKind | 'users' | 'logout' | 'proved_logout';
  readonly key: string;
  readonly n: number;
}

/** Reads what all nodes have written: at most five seconds behind. A plan that is good for an hour is none for three months. */
@Injectable()
export class ReportStore {
  constructor(private readonly database: Database) {}

  /**
   * The figures of both schemes in one statement, cheap enough to be asked for every few seconds. Edges are exact to the second
   * in the last ten minutes, to the minute in the last three days, and to the hour before: what is kept of a stretch counts whole.
   */
  async figures({ since, until }: Window): Promise<FiguresByScheme> {
    return figuresOf(await this.database.planned<Row>(WHOLE, [since, until]));
  }

  /**
   * The same by stretches of `seconds`, by their beginning in seconds since the epoch. Those without requests are left out. Users are
   * not known of stretches shorter than an hour.
   */
  async buckets({ since, until }: Window, seconds: number): Promise<ReadonlyMap<number, FiguresByScheme>> {
    const rows = await this.database.planned<Row>(COUNT_BUCKETS, [since, until, seconds]);
    if (seconds >= USE_SPAN) {
      const other = seconds === USE_SPAN ? DAY : USE_SPAN;
      rows.push(...(await this.database.planned<Row>(USER_BUCKETS, [since, until, seconds, other])));
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
    const rows = await this.database.planned<{ scheme: Scheme; n: number }>(USERS, [since, until]);
    const of = (wanted: Scheme) => rows.find(({ scheme }) => scheme === wanted)?.n ?? 0;
    return { bearer: of('bearer'), session: of('session') };
  }

  /** Who still uses sessions: the user agents with most users first, at most a hundred and `other`. */
  async sessionAgents({ since, until }: Window): Promise<SessionAgent[]> {
    return this.database.planned<SessionAgent & Record<string, unknown>>(AGENTS, [since, until]);
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

/** Of buckets that make up a window. Users are in several of them: they come from elsewhere. */
export function totalOf(
  buckets: readonly FiguresByScheme[],
  users: Readonly<Record<Scheme, number>>,
): FiguresByScheme {
  const of = (scheme: Scheme): Figures => {
    const own = buckets.map((bucket) => bucket[scheme]);
    return {
      requests: sum(own.map(({ requests }) => requests)),
      users: users[scheme],
      errors: addedUp(own.map(({ errors }) => errors)),
      latency: addedUp(own.map(({ latency }) => latency)),
      unexpectedLogouts: addedUp(own.map(({ unexpectedLogouts }) => unexpectedLogouts)),
      evidence: {
        requests: sum(own.map(({ evidence }) => evidence.requests)),
        errors: addedUp(own.map(({ evidence }) => evidence.errors)),
        unexpectedLogouts: sum(own.map(({ evidence }) => evidence.unexpectedLogouts)),
      },
    };
  };
  return { bearer: of('bearer'), session: of('session') };
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, n) => total + n, 0);
}

function addedUp<Key>(counts: readonly ReadonlyMap<Key, number>[]): ReadonlyMap<Key, number> {
  const sums = new Map<Key, number>();
  for (const [key, n] of counts.flatMap((map) => [...map])) sums.set(key, (sums.get(key) ?? 0) + n);
  return sums;
}
