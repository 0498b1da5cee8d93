import { Injectable } from '@nestjs/common';
import type { Scheme } from '../report/report.entity.js';
import { ReportStore } from '../report/report.store.js';
import type { Window } from '../report/report-window.js';

/** What a plan is judged by, of one scheme in a window: evidence by proved principals alone. */
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
 * whether it works. A login that ends too early counts as an unexpected logout. `cross_site_request` is what another site's page
 * makes of a user's cookie.
 */
const ORDINARY: ReadonlySet<string> = new Set([
  'already_exchanged',
  'cross_site_request',
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

/** The evidence of the report, as the autopilot reads it. No request without a proved principal is in it. */
@Injectable()
export class RolloutFigures {
  constructor(private readonly report: ReportStore) {}

  async between(window: Window): Promise<FiguresOf> {
    const { bearer, session } = await this.report.figures(window);
    return { bearer: figuresOf(bearer), session: figuresOf(session) };
  }
}

function figuresOf(figures: Awaited<ReturnType<ReportStore['figures']>>[Scheme]): SchemeFigures {
  const { requests, errors, unexpectedLogouts } = figures.evidence;
  const wrong = [...errors].filter(([code]) => !ORDINARY.has(code));
  const sum = wrong.reduce((total, [, n]) => total + n, 0);
  return { requests, users: figures.users, errors: sum, logouts: unexpectedLogouts };
}
