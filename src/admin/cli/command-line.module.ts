import { Module } from '@nestjs/common';
import { AuditModule } from '../../audit/audit.module.js';
import { AuthModule } from '../../auth/auth.module.js';
import { OAuthModule } from '../../oauth/oauth.module.js';
import { TokensModule } from '../../tokens/tokens.module.js';
import { UsersModule } from '../../users/users.module.js';
import { WebhooksModule } from '../../webhooks/webhooks.module.js';
import { AdminModule } from '../admin.module.js';
import { AuditCommand } from './audit.command.js';
import { ClientsCommand } from './clients.command.js';
import { DoctorCommand } from './doctor/doctor.command.js';
import { ServiceChecks } from './doctor/service.checks.js';
import { WebhooksCheck } from './doctor/webhooks.check.js';
import { UserFinder } from './user-finder.js';
import { ImportCommand } from './import.command.js';
import { KeysCommand } from './keys.command.js';
import { TokensCommand } from './tokens.command.js';
import { UsersCommand } from './users.command.js';

/** The commands for users, service clients, tokens, keys, audit, import and the doctor. Other features add their own commands. */
@Module({
  imports: [AdminModule, AuditModule, AuthModule, OAuthModule, TokensModule, UsersModule, WebhooksModule],
  providers: [
    AuditCommand,
    ClientsCommand,
    DoctorCommand,
    UserFinder,
    ImportCommand,
    KeysCommand,
    ServiceChecks,
    TokensCommand,
    UsersCommand,
    WebhooksCheck,
  ],
  exports: [UserFinder],
})
export class CommandLineModule {}
