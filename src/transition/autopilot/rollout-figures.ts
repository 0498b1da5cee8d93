import { Injectable } from '@nestjs/common';
import type { Scheme } from '../report/scheme.js';
import { ReportStore } from '../report/report.store.js';
import type { Window } from '../report/report-window.js';

/** What a plan is judged by, of one scheme in a window. */
export interface SchemeFigures {
  readonly requests: number;
  /** Requests that went wrong, see {@link ORDINARY}. */
  readonly errors: number;
  readonly users: number;
  readonly logouts: number;
}

export type FiguresOf = Readonly<Record<Scheme, SchemeFigures>>;

/**
 * Refusals that belong to the life of a login or are the rollout's own doing, and happen to one scheme alone: they say nothing about
 * whether it works. A login that ends too early counts as an unexpected logout.
 */
const ORDINARY: ReadonlySet<string> = new Set([
  'already_exchanged',
  'invalid_credentials',
  'jwt_not_enabled',
  'rate_limited',
  'refresh_token_expired',
  'refresh_token_invalid',
  'refresh_token_reused',
  'refresh_token_revoked',
  'session_invalid',
  'sessions_brownout',
  'sessions_removed',
  'token_expired',
  'token_revoked',
]);

/** The figures of the report, as the autopilot reads them. */
@Injectable()
export class RolloutFigures {
  constructor(private readonly report: ReportStore) {}

  async between(window: Window): Promise<FiguresOf> {
    const { bearer, session } = await this.report.figures(window);
    return { bearer: figuresOf(bearer), session: figuresOf(session) };
  }
}

function figuresOf(figures: Awaited<ReturnType<ReportStore['figures']>>[Scheme]): SchemeFigures {
  const { requests, users, errors, unexpectedLogouts } = figures;
  const wrong = [...errors].filter(([code]) => !ORDINARY.has(code));
  return { requests, users, errors: sum(wrong), logouts: sum([...unexpectedLogouts]) };
}

function sum(counts: readonly (readonly [string, number])[]): number {
  return counts.reduce((total, [, n]) => total + n, 0);
}
