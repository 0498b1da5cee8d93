import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { AuditRetentionService } from '../audit/sealing/audit-retention.service.js';
import { AuditModule } from '../audit/audit.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { BlockedSubjectStore } from '../limits/blocked/blocked-subject.store.js';
import { LimitsModule } from '../limits/limits.module.js';
import { RateLimitStore } from '../limits/limits.store.js';
import { LoginFailureStore } from '../limits/login-failure.store.js';
import { RefreshTokenStore } from '../tokens/families/refresh-token.store.js';
import { RevocationStore } from '../tokens/feed/revocation.store.js';
import { SigningKeyStore } from '../tokens/keys/signing-key.store.js';
import { RevocationStreams } from '../tokens/stream/revocation-streams.service.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { WebhookSenderService } from '../webhooks/webhook-sender.service.js';
import { WebhooksModule } from '../webhooks/webhooks.module.js';
import { CLEANERS, CleanUpJob } from './clean-up.job.js';
import type { Cleaner } from './clean-up.job.js';
import { Drain } from './drain.js';
import { FeedMetrics } from './feed-metrics.js';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';
import { Metrics } from './metrics.js';
import { NodeReporter } from './nodes/node-reporter.js';
import { ServiceNodeStore } from './nodes/service-node.store.js';
import { Readiness } from './readiness.js';
import { RequestObserver } from './request-observer.js';
import { ServiceMetrics } from './service-metrics.js';

@Module({
  // The response and its log line already report a failure.
  imports: [
    AuditModule,
    AuthModule,
    LimitsModule,
    TerminusModule.forRoot({ logger: false }),
    TokensModule,
    WebhooksModule,
  ],
  controllers: [HealthController, MetricsController],
  providers: [
    CleanUpJob,
    Drain,
    FeedMetrics,
    Metrics,
    NodeReporter,
    Readiness,
    RequestObserver,
    ServiceMetrics,
    ServiceNodeStore,
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
        BlockedSubjectStore,
        ServiceNodeStore,
      ],
      useFactory: (
        families: RefreshTokenStore,
        revocations: RevocationStore,
        limits: RateLimitStore,
        failures: LoginFailureStore,
        keys: SigningKeyStore,
        audit: AuditRetentionService,
        webhooks: WebhookSenderService,
        blocked: BlockedSubjectStore,
        nodes: ServiceNodeStore,
      ): Cleaner[] => [
        (batch) => families.removeExpired(batch),
        (batch) => revocations.removeExpired(batch),
        (batch) => limits.removeExpired(batch),
        (batch) => failures.removeExpired(batch),
        () => keys.removeExpired(),
        (batch) => audit.removeExpired(batch),
        (batch) => audit.removeRefusals(batch),
        (batch) => webhooks.giveUp(batch),
        (batch) => blocked.removeExpired(batch),
        (batch) => nodes.removeSilent(batch),
      ],
    },
  ],
  exports: [CleanUpJob, Metrics, NodeReporter, RequestObserver, ServiceNodeStore],
})
export class OperationsModule {
  constructor(drain: Drain, streams: RevocationStreams) {
    drain.endWith(() => streams.close());
  }
}
