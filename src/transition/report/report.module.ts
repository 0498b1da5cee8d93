import { Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { TokensModule } from '../../tokens/tokens.module.js';
import { CountedRoutes } from './counted-routes.service.js';
import { Recorder } from './recorder.service.js';
import { ReportBucket } from './report-bucket.entity.js';
import { ReportNode } from './report-node.entity.js';
import { ReportStore } from './report.store.js';
import { ReportWriter } from './report-writer.store.js';
import { SchemeUse } from './scheme-use.entity.js';
import { SessionUseStore } from './session-use.store.js';
import { UnexpectedLogout } from './unexpected-logout.entity.js';

@Module({
  imports: [
    DiscoveryModule,
    TokensModule,
    TypeOrmModule.forFeature([ReportBucket, ReportNode, SchemeUse, UnexpectedLogout]),
  ],
  providers: [CountedRoutes, Recorder, ReportStore, ReportWriter, SessionUseStore],
  exports: [Recorder, ReportStore, SessionUseStore],
})
export class ReportModule {}
