import { Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { CleanUp } from '../../operations/clean-up.job.js';
import { OperationsModule } from '../../operations/operations.module.js';
import { TokensModule } from '../../tokens/tokens.module.js';
import { CountedRoutesService } from './counted-routes.service.js';
import { RecorderService } from './recorder.service.js';
import { ReportAdminController } from './report.admin.controller.js';
import { ReportAgeing } from './report-ageing.store.js';
import { ReportBucket } from './report-bucket.entity.js';
import { ReportNode } from './report-node.entity.js';
import { ReportService } from './report.service.js';
import { ReportStore } from './report.store.js';
import { ReportWriter } from './report-writer.store.js';
import { UnprovedFaults } from './unproved-faults.service.js';
import { SchemeUse } from './scheme-use.entity.js';
import { SchemeMetrics } from './scheme-metrics.js';
import { SessionUseStore } from './session-use.store.js';
import { RolloutModule } from '../rollout/rollout.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { KnownKeys } from './logouts/known-keys.js';
import { LoginEvidenceStore } from './logouts/login-evidence.store.js';
import { SessionCookieJudge } from './logouts/session-cookie-judge.service.js';
import { SessionEvidenceStore } from './logouts/session-evidence.store.js';
import { TokenJudge } from './logouts/token-judge.service.js';
import { UnexpectedLogouts } from './logouts/unexpected-logouts.service.js';
import { UnexpectedLogoutStore } from './logouts/unexpected-logout.store.js';
import { UnexpectedLogout } from './logouts/unexpected-logout.entity.js';

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
    LoginEvidenceStore,
    RecorderService,
    ReportAgeing,
    ReportService,
    ReportStore,
    ReportWriter,
    SchemeMetrics,
    SessionCookieJudge,
    SessionEvidenceStore,
    SessionUseStore,
    TokenJudge,
    UnexpectedLogouts,
    UnexpectedLogoutStore,
    UnprovedFaults,
  ],
  exports: [RecorderService, ReportStore, SessionUseStore],
})
export class ReportModule {
  constructor(cleanUp: CleanUp, ageing: ReportAgeing) {
    for (const step of ageing.steps) cleanUp.add(step);
  }
}
