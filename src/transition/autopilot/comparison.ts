import type { Scheme } from '../report/report.entity.js';
import { fisherOneSided } from './two-proportions.js';
import type { Proportion } from './two-proportions.js';

/** Statistical tests at each evaluation: two figures in two windows. */
const TESTS = 4;

/** Requests of each scheme that a comparison needs. */
export const MIN_SAMPLE = 50;

/** The figures of one scheme in a window by which a plan decides. Only verified principals count. */
export interface SchemeFigures {
  readonly requests: number;
  /** Requests that failed, without expected refusals. */
  readonly errors: number;
  readonly users: number;
  readonly logouts: number;
}

export type FiguresByScheme = Readonly<Record<Scheme, SchemeFigures>>;

/** The figures of two windows: since the step began, and of the last ten minutes. */
export interface Evidence {
  readonly whole: FiguresByScheme;
  readonly recent: FiguresByScheme;
}

/** A figure that is significantly worse with tokens. */
export interface Worse {
  readonly figure: 'errors' | 'unexpected logouts';
  readonly window: keyof Evidence;
  readonly tokens: Proportion;
  readonly sessions: Proportion;
  readonly p: number;
}

/**
 * The significance level of one test at the `evaluation`-th evaluation (from 1) of a step. There may be any number of evaluations, so each
 * gets its part, `6 / (π² k²)`, of a series with the sum 1. By Boole's inequality the probability of a false alarm in a plan is at most
 * `maxFalseAlarm`, even if the tests depend on each other.
 */
export function levelAt(evaluation: number, steps: number, maxFalseAlarm: number): number {
  return ((maxFalseAlarm / steps / TESTS) * 6) / (Math.PI * evaluation) ** 2;
}

/** The first figure that is worse with tokens by more than `tolerance`, at that significance level. */
export function worseWithTokens(evidence: Evidence, level: number, tolerance: number): Worse | undefined {
  for (const window of ['whole', 'recent'] as const) {
    const { bearer, session } = evidence[window];
    if (Math.min(bearer.requests, session.requests) < MIN_SAMPLE) continue;
    for (const figure of ['errors', 'unexpected logouts'] as const) {
      const [tokens, sessions] = [proportionOf(bearer, figure), proportionOf(session, figure)];
      if (rate(tokens) <= rate(sessions) + tolerance) continue;
      const p = fisherOneSided(tokens, sessions);
      if (p <= level) return { figure, window, tokens, sessions, p };
    }
  }
  return undefined;
}

export function rate({ hits, trials }: Proportion): number {
  return trials === 0 ? 0 : hits / trials;
}

/** Errors per request, and logouts per user. A user with several families may have several logouts. */
function proportionOf(
  { requests, errors, users, logouts }: SchemeFigures,
  figure: Worse['figure'],
): Proportion {
  if (figure === 'errors') return { hits: errors, trials: requests };
  return { hits: logouts, trials: Math.max(users, logouts) };
}
