import { Injectable } from '@nestjs/common';
import { Metrics } from '../../operations/metrics.js';
import type { Scheme } from './scheme.js';

/**
 * The figures of the report as Prometheus is told them, of this node alone and since its start. Labels are schemes, codes of problems
 * and causes; nothing of a user.
 */
@Injectable()
export class SchemeMetrics {
  private readonly durations;
  private readonly errors;
  private readonly logouts;

  constructor(private readonly metrics: Metrics) {
    const histogram = metrics.histogram(
      'tandem_scheme_request_duration_seconds',
      'Time to answer what counts for a scheme; its count is the requests',
    );
    this.durations = {
      bearer: histogram.open({ scheme: 'bearer' }),
      session: histogram.open({ scheme: 'session' }),
    };
    this.errors = metrics.counter(
      'tandem_scheme_errors_total',
      'Requests of a scheme that were answered with a problem, by its code',
      ['scheme', 'code'],
    );
    this.logouts = metrics.counter(
      'tandem_unexpected_logouts_total',
      'Logins that were cut off although nobody ended them, by cause, as first seen by this node',
      ['scheme', 'cause'],
    );
  }

  /** `duration`: milliseconds. */
  answered(scheme: Scheme, duration: number, code: string | undefined): void {
    this.durations[scheme].observe(duration / 1000);
    if (code !== undefined) this.errors.inc({ scheme, code });
  }

  cutOff(scheme: Scheme, cause: string): void {
    this.logouts.inc({ scheme, cause });
  }

  /** Tells how many users came in by each scheme in the present hour. */
  countUsers(read: () => Readonly<Record<Scheme, number>>): void {
    this.metrics.gauges(
      'tandem_scheme_users',
      'Distinct users that came in by a scheme at this node in the present hour',
      'scheme',
      read,
    );
  }
}
