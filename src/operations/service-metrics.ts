import { Injectable } from '@nestjs/common';
import { RefusalCounter } from '../audit/refusal-counter.js';
import { RowAlarms } from '../audit/row-alarms.js';
import { SealingJob } from '../audit/sealing/sealing.job.js';
import { RefreshService } from '../auth/refresh/refresh.service.js';
import { BackgroundLoops } from '../common/background-loops.js';
import { Database } from '../database/database.js';
import { RateLimitService } from '../limits/limits.service.js';
import { DatabaseClock } from '../tokens/feed/database-clock.js';
import { KeyRingService } from '../tokens/keys/key-ring.service.js';
import { PasswordHasher } from '../users/hashing/password-hasher.js';
import { WebhookSenderService } from '../webhooks/webhook-sender.service.js';
import { CleanUpJob } from './clean-up.job.js';
import { Metrics } from './metrics.js';
import { Readiness } from './readiness.js';

/**
 * The figures of the features as Prometheus metrics: of this node, since its start. Each feature counts by itself, so that a scrape needs
 * no I/O. Labels are names of this service's own: causes, buckets, loops, tables.
 */
@Injectable()
export class ServiceMetrics {
  constructor(
    private readonly metrics: Metrics,
    private readonly clock: DatabaseClock,
    readiness: Readiness,
    keys: KeyRingService,
    refreshes: RefreshService,
    refusals: RefusalCounter,
    limiter: RateLimitService,
    hasher: PasswordHasher,
    database: Database,
    alarms: RowAlarms,
    sealing: SealingJob,
    webhooks: WebhookSenderService,
    cleanUp: CleanUpJob,
    loops: BackgroundLoops,
  ) {
    this.readiness(readiness, keys);
    this.credentials(refreshes, refusals, limiter, hasher);
    this.audit(alarms, sealing);
    this.webhooks(webhooks);
    this.database(database);
    this.background(cleanUp, loops);
  }

  /** The checks of `/health/ready`, without its query. A fresh feed has just read from the database. */
  private readiness(readiness: Readiness, keys: KeyRingService): void {
    this.metrics.gauges(
      'tandem_ready',
      'Whether the node is ready, by check: 0 means that /health/ready is 503',
      'check',
      () => Object.fromEntries(Object.entries(readiness.needs()).map(([need, met]) => [need, Number(met)])),
    );
    this.metrics.gauge(
      'tandem_signing_key_age_seconds',
      'For how long the current key has signed; 0 without a key',
      () => {
        const now = this.clock.now();
        return Math.max(0, now - (keys.signingSince(now) ?? now)) / 1000;
      },
    );
  }

  private credentials(
    refreshes: RefreshService,
    refusals: RefusalCounter,
    limiter: RateLimitService,
    hasher: PasswordHasher,
  ): void {
    this.metrics.counters(
      'tandem_refreshes_total',
      'Refresh tokens that were presented, by outcome; reused means that their family was revoked',
      'outcome',
      () => ({ ...refreshes.outcomes }),
    );
    this.metrics.counters(
      'tandem_refusals_total',
      'Credentials that were refused, by cause: failed logins, refresh tokens, service clients',
      'cause',
      () => refusals.totals(),
    );
    this.metrics.counters(
      'tandem_rate_limited_total',
      'Calls that a rate limit refused, by bucket',
      'bucket',
      () => limiter.refusals(),
    );
    this.metrics.gauge(
      'tandem_password_checks_waiting',
      'Password checks that wait for a free core',
      () => hasher.load.waiting,
    );
    this.metrics.total(
      'tandem_password_checks_shed_total',
      'Logins and other password checks that were refused with 503 because too many were waiting',
      () => hasher.load.shed,
    );
  }

  private audit(alarms: RowAlarms, sealing: SealingJob): void {
    this.metrics.gauges('tandem_row_alarms', 'Rows that this service did not write, by table', 'table', () =>
      alarms.counts(),
    );
    this.metrics.gauge(
      'tandem_audit_unsealed_seconds',
      'Age of the oldest unsealed audit event; nodes seal every ten seconds',
      () => sealing.unsealedSeconds,
    );
    this.metrics.gauge(
      'tandem_audit_tampered',
      'Whether this node found that the audit trail was changed, cut off or restored',
      () => Number(sealing.isTampered),
    );
  }

  private webhooks(sender: WebhookSenderService): void {
    this.metrics.counters(
      'tandem_webhook_attempts_total',
      'Attempts to send webhooks, by outcome',
      'outcome',
      () => ({ ...sender.attempts }),
    );
    this.metrics.gauge(
      'tandem_webhooks_waiting',
      'Webhooks that are not delivered yet',
      () => sender.backlog.waiting,
    );
    this.metrics.gauge(
      'tandem_webhook_oldest_seconds',
      'Age of the oldest webhook that is not delivered yet',
      () => sender.backlog.oldestSeconds,
    );
  }

  private database(database: Database): void {
    this.metrics.gauges(
      'tandem_database_connections',
      'Connections of the pool, by state: busy, idle, and max for the most that it opens',
      'state',
      () => {
        const { busy, idle, max } = database.poolUse;
        return { busy, idle, max };
      },
    );
    this.metrics.gauge(
      'tandem_database_callers_waiting',
      'Callers that wait for a connection of the pool',
      () => database.poolUse.waiting,
    );
  }

  private background(cleanUp: CleanUpJob, loops: BackgroundLoops): void {
    // Unlike `process_start_time_seconds`, it is also there if a node has several workers.
    const startedAt = Date.now() / 1000 - process.uptime();
    this.metrics.gauge(
      'tandem_start_timestamp_seconds',
      'When the process started, in seconds since the epoch',
      () => startedAt,
    );
    this.metrics.gauge(
      'tandem_clean_up_completed_timestamp_seconds',
      'When this node last removed all expired rows, in seconds since the epoch; 0 if another node always does',
      () => cleanUp.completedAt / 1000,
    );
    this.metrics.gauges(
      'tandem_background_loop_failing',
      'Whether the last run of a background loop failed',
      'loop',
      () =>
        Object.fromEntries(
          loops
            .list()
            .filter(({ running }) => running)
            .map(({ name, isFailing }) => [name, Number(isFailing)]),
        ),
    );
  }
}
