import { Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { AuditModule } from '../audit/audit.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { OperationsModule } from '../operations/operations.module.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { UsersModule } from '../users/users.module.js';
import { WebhooksModule } from '../webhooks/webhooks.module.js';
import { AdminQueryService } from './admin-query.service.js';
import { AdminAuditController } from './audit.admin.controller.js';
import { LimitReleaseService } from './limits/limit-release.service.js';
import { AdminLimitsController } from './limits/limits.admin.controller.js';
import { LoginListService } from './logins/login-list.service.js';
import { LoginStoryService } from './logins/login-story.service.js';
import { LoginRevocationService } from './login-revocation.service.js';
import { BulkRevocationService } from './bulk-revocation.service.js';
import { ConsoleController } from './console/console.controller.js';
import { ConsoleFiles, consoleFolder } from './console/console-files.js';
import { AdminKeysController } from './keys.admin.controller.js';
import { DoctorService } from './nodes/doctor.service.js';
import { NodeListService } from './nodes/node-list.service.js';
import { AdminNodesController } from './nodes/nodes.admin.controller.js';
import { AdminTokensController } from './tokens.admin.controller.js';
import { UserCreationService } from './user-creation.service.js';
import { UserDeletionService } from './user-deletion.service.js';
import { UserUpsertService } from './user-upsert.service.js';
import { AdminUsersController } from './users.admin.controller.js';

@Module({
  imports: [
    AuditModule,
    AuthModule,
    DiscoveryModule,
    LimitsModule,
    OperationsModule,
    TokensModule,
    UsersModule,
    WebhooksModule,
  ],
  controllers: [
    AdminAuditController,
    AdminKeysController,
    AdminLimitsController,
    AdminNodesController,
    AdminTokensController,
    AdminUsersController,
    ConsoleController,
  ],
  providers: [
    AdminQueryService,
    BulkRevocationService,
    {
      provide: ConsoleFiles,
      inject: [CONFIG],
      useFactory: (config: Config) =>
        config.console ? ConsoleFiles.read(consoleFolder(), config.pathPrefix) : ConsoleFiles.none(),
    },
    DoctorService,
    LimitReleaseService,
    LoginListService,
    LoginRevocationService,
    LoginStoryService,
    NodeListService,
    UserCreationService,
    UserDeletionService,
    UserUpsertService,
  ],
  exports: [BulkRevocationService],
})
export class AdminModule {}
