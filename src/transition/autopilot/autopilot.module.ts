import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../../audit/audit.module.js';
import { TokensModule } from '../../tokens/tokens.module.js';
import { ReportModule } from '../report/report.module.js';
import { RolloutModule } from '../rollout/rollout.module.js';
import { Autopilot } from './autopilot.service.js';
import { PlanAdministration } from './plan-administration.service.js';
import { PlanSight } from './plan-sight.service.js';
import { PlanController } from './plan.controller.js';
import { RolloutPlan } from './plan.entity.js';
import { PlanStore } from './plan.store.js';
import { RolloutFigures } from './rollout-figures.js';

@Module({
  imports: [AuditModule, ReportModule, RolloutModule, TokensModule, TypeOrmModule.forFeature([RolloutPlan])],
  controllers: [PlanController],
  providers: [Autopilot, PlanAdministration, PlanSight, PlanStore, RolloutFigures],
})
export class AutopilotModule {}
