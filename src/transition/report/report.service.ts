import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../config/config.js';
import { DatabaseClock } from '../../tokens/feed/database-clock.js';
import { quantile } from './latency-histogram.js';
import { RecorderService } from './recorder.service.js';
import { refusedSessionsView } from './refused/refused-sessions-view.js';
import type { ReportDto, ReportQueryDto } from './report.dto.js';
import type { TransitionConfig } from '../transition.settings.js';
import { figuresOf, ReportStore, totalOf } from './report.store.js';
import type { Figures, FiguresByScheme } from './report.store.js';
import { reportWindow, USE_SPAN } from './report-window.js';
import type { ReportWindow } from './report-window.js';

/** The report of all nodes for administrators. */
@Injectable()
export class ReportService {
  constructor(
    private readonly store: ReportStore,
    private readonly recorder: RecorderService,
    private readonly clock: DatabaseClock,
    @Inject(CONFIG) private readonly config: TransitionConfig,
  ) {}

  /** Contains all earlier requests to this node, and those to other nodes that are at least five seconds old. */
  async report({ since, until }: ReportQueryDto): Promise<ReportDto> {
    const window = reportWindow(since, until, this.clock.now());
    await this.recorder.flush();
    const buckets = await this.store.buckets(window.counted, window.bucket);
    const total = totalOf([...buckets.values()], await this.store.users(window.counted));
    const refused = await this.store.refused(window.counted);
    const agents = await this.store.sessionAgents(window.counted);
    return {
      since: iso(window.asked.since),
      until: iso(window.asked.until),
      schemes: viewOf(total),
      user_agents: agents.map(({ userAgent, users, requests, lastSeen }) => ({
        user_agent: userAgent,
        users,
        requests,
        last_seen: lastSeen,
      })),
      refused_sessions: refusedSessionsView(refused, total.session, this.config),
      buckets: bucketsOf(window, buckets),
    };
  }
}

/** All buckets, empty ones included. */
function bucketsOf(
  { counted: { since, until }, bucket }: ReportWindow,
  figures: ReadonlyMap<number, FiguresByScheme>,
): ReportDto['buckets'] {
  const views: ReportDto['buckets'] = [];
  for (let slot = Math.floor(since / 1000 / bucket) * bucket; slot * 1000 < until; slot += bucket) {
    views.push({
      from: iso(Math.max(slot * 1000, since)),
      to: iso(Math.min((slot + bucket) * 1000, until)),
      schemes: bucketView(figures.get(slot) ?? figuresOf([]), bucket),
    });
  }
  return views;
}

function viewOf({ bearer, session }: FiguresByScheme) {
  return { bearer: schemeView(bearer), session: schemeView(session) };
}

/** Users are stored by hour, so they are not known for a bucket of a minute. */
function bucketView(figures: FiguresByScheme, bucket: number): ReportDto['buckets'][number]['schemes'] {
  const { bearer, session } = viewOf(figures);
  if (bucket >= USE_SPAN) return { bearer, session };
  return { bearer: { ...bearer, users: null }, session: { ...session, users: null } };
}

function schemeView({ requests, users, errors, latency, unexpectedLogouts }: Figures) {
  return {
    requests,
    users,
    errors: sortedObject(errors),
    latency_ms: { p50: quantile(latency, 0.5), p95: quantile(latency, 0.95), p99: quantile(latency, 0.99) },
    unexpected_logouts: {
      total: [...unexpectedLogouts.values()].reduce((sum, n) => sum + n, 0),
      by_cause: sortedObject(unexpectedLogouts),
    },
  };
}

function sortedObject(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
