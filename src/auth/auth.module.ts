import { Module } from '@nestjs/common';
import { PassportModule } from '@nestjs/passport';
import { AuditModule } from '../audit/audit.module.js';
import { FAILURE_FLOOR_TOPIC, ServiceStateStore } from '../database/service-state.store.js';
import { LimitsModule } from '../limits/limits.module.js';
import { ChangeFeed } from '../tokens/feed/change-feed.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { PasswordHasher } from '../users/hashing/password-hasher.js';
import { UsersModule } from '../users/users.module.js';
import { WebhooksModule } from '../webhooks/webhooks.module.js';
import { AdminRoleService } from './admin-role.service.js';
import { AuthController } from './auth.controller.js';
import { CredentialCheckService } from './login/credential-check.service.js';
import { DevicesController } from './account/devices.controller.js';
import { DevicesService } from './account/devices.service.js';
import { FreshPasswordService } from './account/fresh-password.service.js';
import { ReauthenticationController } from './account/reauthentication.controller.js';
import { ConsoleOrigin } from './http/console-origin.js';
import { ExternalIdsService } from './http/external-ids.service.js';
import { KnownDevicesService } from './login/known-devices.service.js';
import { KnownTokensService } from './guards/known-tokens.service.js';
import { JwtAuthGuard } from './guards/jwt-auth.guard.js';
import { JwtStrategy } from './guards/jwt.strategy.js';
import { ServiceClientGuard, ServiceClients } from './guards/service-client.guard.js';
import { LocalStrategy } from './login/local.strategy.js';
import { LoginService } from './login/login.service.js';
import { LogoutService } from './account/logout.service.js';
import { PasswordService } from './account/password.service.js';
import { RefreshService } from './refresh/refresh.service.js';
import { TokenEligibilityService } from './refresh/token-eligibility.service.js';
import { TokenReply } from './http/token-reply.js';
import { UserChangeService } from './account/user-change.service.js';
import { VerifyController } from './verify.controller.js';
import { WellKnownController } from './well-known.controller.js';

@Module({
  imports: [
    AuditModule,
    LimitsModule,
    TokensModule,
    UsersModule,
    WebhooksModule,
    PassportModule.register({ session: false }),
  ],
  controllers: [
    AuthController,
    DevicesController,
    ReauthenticationController,
    VerifyController,
    WellKnownController,
  ],
  providers: [
    AdminRoleService,
    ConsoleOrigin,
    CredentialCheckService,
    DevicesService,
    ExternalIdsService,
    FreshPasswordService,
    JwtAuthGuard,
    JwtStrategy,
    KnownDevicesService,
    KnownTokensService,
    LocalStrategy,
    LoginService,
    LogoutService,
    PasswordService,
    RefreshService,
    ServiceClientGuard,
    ServiceClients,
    TokenEligibilityService,
    TokenReply,
    UserChangeService,
  ],
  exports: [
    AdminRoleService,
    ConsoleOrigin,
    CredentialCheckService,
    FreshPasswordService,
    JwtAuthGuard,
    KnownDevicesService,
    RefreshService,
    ServiceClientGuard,
    ServiceClients,
    TokenEligibilityService,
    TokenReply,
    UserChangeService,
    UsersModule,
  ],
})
export class AuthModule {
  /** Every failed login takes as long as the most expensive stored hash. This node learns of an imported hash within a second. */
  constructor(feed: ChangeFeed, state: ServiceStateStore, hasher: PasswordHasher) {
    feed.subscribe(FAILURE_FLOOR_TOPIC, async () => hasher.raiseFloor(await state.failureFloor()));
  }
}
