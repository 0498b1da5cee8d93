import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { CommandLineModule } from '../../admin/cli/command-line.module.js';
import { AuditModule } from '../../audit/audit.module.js';
import { AuthModule } from '../../auth/auth.module.js';
import { TokensModule } from '../../tokens/tokens.module.js';
import { UsersModule } from '../../users/users.module.js';
import { RolloutAdministrationService } from './rollout-administration.service.js';
import { RolloutFlagService } from './rollout-flag.service.js';
import { RolloutHistoryStore } from './rollout-history.store.js';
import { RolloutVersion } from './rollout-version.entity.js';
import { RolloutCommand } from './rollout.command.js';
import { RolloutController } from './rollout.controller.js';
import { RolloutPreviewService } from './rollout-preview.service.js';
import { RolloutService } from './rollout.service.js';
import { RolloutUserStore } from './rollout-user.store.js';
import { RolloutStore } from './rollout.store.js';

@Module({
  imports: [
    AuditModule,
    AuthModule,
    CommandLineModule,
    TokensModule,
    TypeOrmModule.forFeature([RolloutVersion]),
    UsersModule,
  ],
  controllers: [RolloutController],
  providers: [
    RolloutService,
    RolloutAdministrationService,
    RolloutCommand,
    RolloutFlagService,
    RolloutHistoryStore,
    RolloutPreviewService,
    RolloutStore,
    RolloutUserStore,
  ],
  exports: [RolloutHistoryStore, RolloutService, RolloutFlagService, RolloutStore],
})
export class RolloutModule {}
