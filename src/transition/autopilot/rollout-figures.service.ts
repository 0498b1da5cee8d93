import { Injectable } from '@nestjs/common';
import type { Scheme } from '../report/report.entity.js';
import { ReportStore } from '../report/report.store.js';
import type { Window } from '../report/report-window.js';
import type { Evidence, FiguresByScheme, SchemeFigures } from './comparison.js';
import type { Plan } from './plan.js';

/**
 * Refusals that are normal for a family or a session, or that the rollout causes. They occur with one scheme only and do not show whether
 * it works. A family that is revoked too early counts as an unexpected logout. `cross_site_request` is caused by the page of another
 * site that sends a user's cookie.
 */
const EXPECTED: ReadonlySet<string> = new Set([
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

/** Milliseconds. The recent window: a fault late in a long step must not be hidden by the good figures before. */
const RECENT = 600_000;

/** Reads the evidence by which a plan decides from the report. Requests without a verified principal are not in it. */
@Injectable()
export class RolloutFiguresService {
  constructor(private readonly report: ReportStore) {}

  /** Returns the evidence for the plan; undefined before the first step. `now`: the database's time in ms. */
  async evidenceFor(
    { state, since }: Pick<Plan, 'state' | 'since'>,
    now: number,
  ): Promise<Evidence | undefined> {
    if (state !== 'running' || since === null) return undefined;
    const whole = await this.between({ since, until: now });
    const recent = now - RECENT;
    return { whole, recent: recent > since ? await this.between({ since: recent, until: now }) : whole };
  }

  async between(window: Window): Promise<FiguresByScheme> {
    const { bearer, session } = await this.report.figures(window);
    return { bearer: figuresOf(bearer), session: figuresOf(session) };
  }
}

/** Requests that failed, without expected refusals. */
export function unexpectedErrors(errors: ReadonlyMap<string, number>): number {
  return [...errors].filter(([code]) => !EXPECTED.has(code)).reduce((total, [, n]) => total + n, 0);
}

function figuresOf(figures: Awaited<ReturnType<ReportStore['figures']>>[Scheme]): SchemeFigures {
  const { requests, errors, unexpectedLogouts } = figures.evidence;
  return { requests, users: figures.users, errors: unexpectedErrors(errors), logouts: unexpectedLogouts };
}
