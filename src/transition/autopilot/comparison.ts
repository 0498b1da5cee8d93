import type { FiguresOf, SchemeFigures } from './rollout-figures.js';
import { fisherOneSided } from './two-proportions.js';
import type { Proportion } from './two-proportions.js';

/** Tests at each look: two figures in two windows. */
const TESTS = 4;

/** Requests of each scheme without which nothing is said, however bad it looks. */
export const MIN_SAMPLE = 50;

/** The figures of the two windows that a look takes in: since the step began, and of late. */
export interface Sight {
  readonly whole: FiguresOf;
  readonly recent: FiguresOf;
}

/** Beyond doubt worse with tokens. */
export interface Worse {
  readonly figure: 'errors' | 'unexpected logouts';
  readonly window: keyof Sight;
  readonly tokens: Proportion;
  readonly sessions: Proportion;
  readonly p: number;
}

/**
 * What is allowed to one test at the `look`-th look (from 1) of a step. Looks go on without end, so each has its part of a series that
 * adds up to what the plan allows: `6 / (π² k²)`. By Boole's inequality no plan gives a false alarm more often than that, however
 * the tests depend on each other.
 */
export function levelAt(look: number, steps: number, maxFalseAlarm: number): number {
  return ((maxFalseAlarm / steps / TESTS) * 6) / (Math.PI * look) ** 2;
}

/** The first figure that is worse with tokens at that level and by more than `tolerance`. */
export function worseWithTokens(sight: Sight, level: number, tolerance: number): Worse | undefined {
  for (const window of ['whole', 'recent'] as const) {
    const { bearer, session } = sight[window];
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

/** Errors of requests; logouts of users, of whom one may have several logins. */
function proportionOf(
  { requests, errors, users, logouts }: SchemeFigures,
  figure: Worse['figure'],
): Proportion {
  if (figure === 'errors') return { hits: errors, trials: requests };
  return { hits: logouts, trials: Math.max(users, logouts) };
}
