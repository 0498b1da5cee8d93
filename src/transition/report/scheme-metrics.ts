import { Injectable } from '@nestjs/common';
import { Metrics } from '../../operations/metrics.js';
import type { Scheme } from './report.entity.js';

/**
 * The figures of the report as Prometheus metrics: of this node only, since its start. Labels are schemes, problem codes and causes,
 * never data of a user.
 */
@Injectable()
export class SchemeMetrics {
  private readonly durations;
  private readonly errors;
  private readonly logouts;
  private readonly refusedSessions;

  constructor(private readonly metrics: Metrics) {
    this.durations = metrics.histogram(
      'tandem_scheme_request_duration_seconds',
      'Time to answer the requests that count for a scheme',
      ['scheme'],
    );
    for (const scheme of ['bearer', 'session'] as const) this.durations.zero({ scheme });
    this.errors = metrics.counter(
      'tandem_scheme_errors_total',
      'Requests of a scheme that were answered with a problem, by code',
      ['scheme', 'code'],
    );
    this.logouts = metrics.counter(
      'tandem_unexpected_logouts_total',
      'Families and sessions refused although nobody revoked them, by cause, first seen by this node',
      ['scheme', 'cause'],
    );
    this.refusedSessions = metrics.counter(
      'tandem_refused_sessions_total',
      'Requests by session that were refused because of a setting, by likely cause; strangers may have sent some',
      ['cause'],
    );
  }

  /** `duration`: milliseconds. */
  answered(scheme: Scheme, duration: number, code: string | undefined): void {
    this.durations.observe({ scheme }, duration / 1000);
    if (code !== undefined) this.errors.inc({ scheme, code });
  }

  unexpectedLogout(scheme: Scheme, cause: string): void {
    this.logouts.inc({ scheme, cause });
  }

  refusedSession(cause: string, times: number): void {
    this.refusedSessions.inc({ cause }, times);
  }

  /** Publishes the number of users of each scheme in the current hour. */
  countUsers(read: () => Readonly<Record<Scheme, number>>): void {
    this.metrics.gauges(
      'tandem_scheme_users',
      'Distinct users of a scheme at this node in the current hour',
      'scheme',
      read,
    );
  }
}
