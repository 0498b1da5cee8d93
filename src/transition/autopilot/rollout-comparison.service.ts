import { Injectable } from '@nestjs/common';
import { DatabaseClock } from '../../tokens/feed/database-clock.js';
import { quantile } from '../report/latency-histogram.js';
import { RecorderService } from '../report/recorder.service.js';
import { ReportStore, figuresOf, totalOf } from '../report/report.store.js';
import type { Figures, FiguresByScheme } from '../report/report.store.js';
import { USE_SPAN, reportWindow } from '../report/report-window.js';
import type { ReportWindow } from '../report/report-window.js';
import { RolloutStore } from '../rollout/rollout.store.js';
import type { ComparisonDto, ComparisonBucketDto, ComparedFigureDto } from './comparison.dto.js';
import { differenceOf } from './difference.js';
import { PlanAdministrationService } from './plan-administration.service.js';
import { healthOf, sampleOf } from './plan-health.js';
import { unexpectedErrors } from './rollout-figures.service.js';
import type { Proportion } from './two-proportions.js';

/** Compares tokens with sessions for administrators: the figures by which the autopilot decides, over time and with their uncertainty. */
@Injectable()
export class RolloutComparisonService {
  constructor(
    private readonly report: ReportStore,
    private readonly recorder: RecorderService,
    private readonly plans: PlanAdministrationService,
    private readonly rollout: RolloutStore,
    private readonly clock: DatabaseClock,
  ) {}

  /** Throws 400 for an impossible window. */
  async between(since: string | undefined, until: string | undefined): Promise<ComparisonDto> {
    const now = this.clock.now();
    const window = reportWindow(since, until, now);
    await this.recorder.flush();
    const buckets = await this.report.buckets(window.counted, window.bucket);
    const total = totalOf([...buckets.values()], await this.report.users(window.counted));
    const { plan, decision, evidence } = await this.plans.read();
    const sample = sampleOf(plan, evidence);
    const { tolerance } = plan;
    return {
      since: new Date(window.counted.since).toISOString(),
      until: new Date(window.counted.until).toISOString(),
      health: healthOf(plan, decision, sample, (await this.rollout.current())!, now),
      waiting: sample ?? null,
      tolerance,
      figures: compared(total, tolerance),
      logouts_by_cause: {
        tokens: Object.fromEntries(total.bearer.unexpectedLogouts),
        sessions: Object.fromEntries(total.session.unexpectedLogouts),
      },
      buckets: bucketsOf(window, buckets, tolerance),
    };
  }
}

/** All buckets, empty ones included. */
function bucketsOf(
  { counted: { since, until }, bucket }: ReportWindow,
  figures: ReadonlyMap<number, FiguresByScheme>,
  tolerance: number,
): ComparisonBucketDto[] {
  const views: ComparisonBucketDto[] = [];
  for (let slot = Math.floor(since / 1000 / bucket) * bucket; slot * 1000 < until; slot += bucket) {
    const all = compared(figures.get(slot) ?? figuresOf([]), tolerance);
    views.push({
      from: new Date(Math.max(slot * 1000, since)).toISOString(),
      to: new Date(Math.min((slot + bucket) * 1000, until)).toISOString(),
      // Users are stored by hour, so they are not known for a bucket of a minute.
      figures: bucket >= USE_SPAN ? all : all.filter(({ figure }) => figure !== 'users'),
    });
  }
  return views;
}

function compared({ bearer, session }: FiguresByScheme, tolerance: number): ComparedFigureDto[] {
  const p95 = (figures: Figures) => quantile(figures.latency, 0.95);
  return [
    proportion('errors', errorsOf(bearer), errorsOf(session), tolerance),
    proportion('unexpected_logouts', logoutsOf(bearer), logoutsOf(session), tolerance),
    plain('p95_ms', p95(bearer), p95(session)),
    plain('users', bearer.users, session.users),
  ];
}

/** Only requests of verified principals count, without refusals that are normal for one scheme. */
function errorsOf({ evidence }: Figures): Proportion {
  return { hits: unexpectedErrors(evidence.errors), trials: evidence.requests };
}

/** Per user, or per request where users are not known. A user with several families may have several logouts. */
function logoutsOf({ users, unexpectedLogouts, evidence }: Figures): Proportion {
  const hits = [...unexpectedLogouts.values()].reduce((sum, n) => sum + n, 0);
  return { hits, trials: Math.max(users > 0 ? users : evidence.requests, hits) };
}

function proportion(
  figure: ComparedFigureDto['figure'],
  tokens: Proportion,
  sessions: Proportion,
  tolerance: number,
): ComparedFigureDto {
  const between = differenceOf(tokens, sessions);
  const rate = ({ hits, trials }: Proportion) => (trials === 0 ? null : hits / trials);
  return {
    figure,
    tokens: rate(tokens),
    sessions: rate(sessions),
    difference: between?.difference ?? null,
    low: between?.low ?? null,
    high: between?.high ?? null,
    tolerance,
    // The whole interval is beyond the tolerance.
    worse: between !== undefined && between.low > tolerance,
  };
}

function plain(
  figure: ComparedFigureDto['figure'],
  tokens: number | null,
  sessions: number | null,
): ComparedFigureDto {
  const difference = tokens === null || sessions === null ? null : tokens - sessions;
  return { figure, tokens, sessions, difference, low: null, high: null, tolerance: null, worse: false };
}
