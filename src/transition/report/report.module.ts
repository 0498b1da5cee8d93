import { Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { CleanUpJob } from '../../operations/clean-up.job.js';
import { OperationsModule } from '../../operations/operations.module.js';
import { TokensModule } from '../../tokens/tokens.module.js';
import { CountedRoutesService } from './counted-routes.service.js';
import { RecorderService } from './recorder.service.js';
import { ReportAdminController } from './report.admin.controller.js';
import { ReportAgeingStore } from './report-ageing.store.js';
import { ReportService } from './report.service.js';
import { ReportStore } from './report.store.js';
import { ReportWriterStore } from './report-writer.store.js';
import { ReportBucket, ReportNode, SchemeUse, UnexpectedLogout } from './report.entity.js';
import { UnverifiedFaultsService } from './unverified-faults.service.js';
import { SchemeMetrics } from './scheme-metrics.js';
import { RolloutModule } from '../rollout/rollout.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { LogoutEvidenceStore } from './logouts/logout-evidence.store.js';
import { SessionRefusalService } from './logouts/session-refusal.service.js';
import { TokenRefusalService } from './logouts/token-refusal.service.js';
import { UnexpectedLogoutsService } from './logouts/unexpected-logouts.service.js';
import { RefusedSessionStore } from './refused/refused-session.store.js';
import { RefusedSessionsCheck } from './refused/refused-sessions.check.js';
import { RefusedSessionsService } from './refused/refused-sessions.service.js';
import { KnownKeys } from './logouts/known-keys.js';

@Module({
  imports: [
    DiscoveryModule,
    OperationsModule,
    RolloutModule,
    SessionsModule,
    TokensModule,
    TypeOrmModule.forFeature([ReportBucket, ReportNode, SchemeUse, UnexpectedLogout]),
  ],
  controllers: [ReportAdminController],
  providers: [
    CountedRoutesService,
    KnownKeys,
    LogoutEvidenceStore,
    RecorderService,
    RefusedSessionStore,
    RefusedSessionsCheck,
    RefusedSessionsService,
    ReportAgeingStore,
    ReportService,
    ReportStore,
    ReportWriterStore,
    SchemeMetrics,
    SessionRefusalService,
    TokenRefusalService,
    UnexpectedLogoutsService,
    UnverifiedFaultsService,
  ],
  exports: [RecorderService, ReportStore],
})
export class ReportModule {
  constructor(cleanUp: CleanUpJob, ageing: ReportAgeingStore) {
    for (const step of ageing.steps) cleanUp.add(step);
  }
}
