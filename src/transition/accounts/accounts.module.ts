import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../../audit/audit.module.js';
import { OperationsModule } from '../../operations/operations.module.js';
import { TokensModule } from '../../tokens/tokens.module.js';
import { UsersModule } from '../../users/users.module.js';
import { AccountsCommand } from './accounts.command.js';
import { AdoptionService } from './adoption.service.js';
import { MissingUsersService } from './missing-users.service.js';
import { SourceAccountsService } from './source-accounts.service.js';
import { SourceState, SourceTally } from './source-state.entity.js';
import { SourceStateStore } from './source-state.store.js';
import { SourceUser } from './source-user.entity.js';
import { SourceUserStore } from './source-user.store.js';
import { UsersSourceClient } from './source/users-source.client.js';
import { UsersSourceCheck } from './users-source.check.js';
import { UsersSourceService } from './users-source.service.js';

/** The users whom the product owns, until it hands them over. */
@Module({
  imports: [
    AuditModule,
    OperationsModule,
    TokensModule,
    TypeOrmModule.forFeature([SourceState, SourceTally, SourceUser]),
    UsersModule,
  ],
  providers: [
    AccountsCommand,
    AdoptionService,
    MissingUsersService,
    SourceAccountsService,
    SourceStateStore,
    SourceUserStore,
    UsersSourceCheck,
    UsersSourceClient,
    UsersSourceService,
  ],
  exports: [UsersSourceService],
})
export class AccountsModule {}
