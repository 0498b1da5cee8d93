import { Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { CleanUp } from '../../operations/clean-up.job.js';
import { OperationsModule } from '../../operations/operations.module.js';
import { TokensModule } from '../../tokens/tokens.module.js';
import { CountedRoutes } from './counted-routes.service.js';
import { Recorder } from './recorder.service.js';
import { ReportAdminController } from './report.admin.controller.js';
import { ReportAgeing } from './report-ageing.store.js';
import { ReportBucket } from './report-bucket.entity.js';
import { ReportNode } from './report-node.entity.js';
import { ReportService } from './report.service.js';
import { ReportStore } from './report.store.js';
import { ReportWriter } from './report-writer.store.js';
import { SchemeUse } from './scheme-use.entity.js';
import { SchemeMetrics } from './scheme-metrics.js';
import { SessionUseStore } from './session-use.store.js';
import { UnexpectedLogout } from './unexpected-logout.entity.js';

@Module({
  imports: [
    DiscoveryModule,
    OperationsModule,
    TokensModule,
    TypeOrmModule.forFeature([ReportBucket, ReportNode, SchemeUse, UnexpectedLogout]),
  ],
  controllers: [ReportAdminController],
  providers: [
    CountedRoutes,
    Recorder,
    ReportAgeing,
    ReportService,
    ReportStore,
    ReportWriter,
    SchemeMetrics,
    SessionUseStore,
  ],
  exports: [Recorder, ReportStore, SessionUseStore],
})
export class ReportModule {
  constructor(cleanUp: CleanUp, ageing: ReportAgeing) {
    for (const step of ageing.steps) cleanUp.add(step);
  }
}
