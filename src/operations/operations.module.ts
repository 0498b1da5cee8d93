import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { AuditRetentionService } from '../audit/sealing/audit-retention.service.js';
import { AuditModule } from '../audit/audit.module.js';
import { RowAlarms } from '../audit/row-alarms.js';
import { SealingJob } from '../audit/sealing/sealing.job.js';
import { LimitsModule } from '../limits/limits.module.js';
import { RateLimitStore } from '../limits/limits.store.js';
import { LoginFailureStore } from '../limits/login-failure.store.js';
import { RefreshTokenStore } from '../tokens/families/refresh-token.store.js';
import { RevocationList } from '../tokens/feed/revocation-list.js';
import { RevocationStore } from '../tokens/feed/revocation.store.js';
import { SigningKeyStore } from '../tokens/keys/signing-key.store.js';
import { RevocationStreams } from '../tokens/stream/revocation-streams.service.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { WebhookSenderService } from '../webhooks/webhook-sender.service.js';
import { WebhooksModule } from '../webhooks/webhooks.module.js';
import { CLEANERS, CleanUpJob } from './clean-up.job.js';
import type { Cleaner } from './clean-up.job.js';
import { Drain } from './drain.js';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';
import { Metrics } from './metrics.js';
import { RequestObserver } from './request-observer.js';

@Module({
  // The response and its log line already report a failure.
  imports: [
    AuditModule,
    LimitsModule,
    TerminusModule.forRoot({ logger: false }),
    TokensModule,
    WebhooksModule,
  ],
  controllers: [HealthController, MetricsController],
  providers: [
    CleanUpJob,
    Drain,
    Metrics,
    RequestObserver,
    {
      provide: CLEANERS,
      inject: [
        RefreshTokenStore,
        RevocationStore,
        RateLimitStore,
        LoginFailureStore,
        SigningKeyStore,
        AuditRetentionService,
        WebhookSenderService,
      ],
      useFactory: (
        families: RefreshTokenStore,
        revocations: RevocationStore,
        limits: RateLimitStore,
        failures: LoginFailureStore,
        keys: SigningKeyStore,
        audit: AuditRetentionService,
        webhooks: WebhookSenderService,
      ): Cleaner[] => [
        (batch) => families.removeExpired(batch),
        (batch) => revocations.removeExpired(batch),
        (batch) => limits.removeExpired(batch),
        (batch) => failures.removeExpired(batch),
        () => keys.removeExpired(),
        (batch) => audit.removeExpired(batch),
        (batch) => audit.removeRefusals(batch),
        (batch) => webhooks.giveUp(batch),
      ],
    },
  ],
  exports: [CleanUpJob, Metrics, RequestObserver],
})
export class OperationsModule {
  constructor(
    metrics: Metrics,
    revocations: RevocationList,
    alarms: RowAlarms,
    sealing: SealingJob,
    webhooks: WebhookSenderService,
    streams: RevocationStreams,
    drain: Drain,
  ) {
    drain.endWith(() => streams.close());
    metrics.gauge('tandem_revocation_streams', 'Open streams of revocations', () => streams.count());
    metrics.counters(
      'tandem_revocation_streams_ended_total',
      'Streams of revocations that have ended, by reason',
      'reason',
      () => ({ ...streams.ended }),
    );
    metrics.total(
      'tandem_revocation_stream_bytes_total',
      'Bytes sent to streams of revocations',
      () => streams.bytes,
    );
    metrics.gauge('tandem_revocations', 'Revocations in the memory of this node', () => revocations.size);
    metrics.gauges('tandem_row_alarms', 'Rows that this service did not write, by table', 'table', () =>
      alarms.counts(),
    );
    metrics.gauge(
      'tandem_audit_unsealed_seconds',
      'Age of the oldest unsealed audit event; nodes seal every ten seconds',
      () => sealing.unsealedSeconds,
    );
    metrics.counters(
      'tandem_webhook_attempts_total',
      'Attempts to send webhooks, by outcome',
      'outcome',
      () => ({
        ...webhooks.attempts,
      }),
    );
    metrics.gauge(
      'tandem_webhooks_waiting',
      'Webhooks that are not delivered yet',
      () => webhooks.backlog.waiting,
    );
    metrics.gauge(
      'tandem_webhook_oldest_seconds',
      'Age of the oldest webhook that is not delivered yet',
      () => webhooks.backlog.oldestSeconds,
    );
  }
}
