import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../../audit/audit.module.js';
import { TokensModule } from '../../tokens/tokens.module.js';
import { OperationsModule } from '../../operations/operations.module.js';
import { ReportModule } from '../report/report.module.js';
import { RolloutModule } from '../rollout/rollout.module.js';
import { AutopilotService } from './autopilot.service.js';
import { ComparisonController } from './comparison.controller.js';
import { PlanAdministrationService } from './plan-administration.service.js';
import { PlanController } from './plan.controller.js';
import { RolloutPlan } from './plan.entity.js';
import { PlanMetrics } from './plan-metrics.js';
import { PlanStore } from './plan.store.js';
import { RolloutComparisonService } from './rollout-comparison.service.js';
import { RolloutFiguresService } from './rollout-figures.service.js';

@Module({
  imports: [
    AuditModule,
    OperationsModule,
    ReportModule,
    RolloutModule,
    TokensModule,
    TypeOrmModule.forFeature([RolloutPlan]),
  ],
  controllers: [ComparisonController, PlanController],
  providers: [
    AutopilotService,
    PlanAdministrationService,
    PlanMetrics,
    PlanStore,
    RolloutComparisonService,
    RolloutFiguresService,
  ],
})
export class AutopilotModule {}
