import { Module } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { PassportModule } from '@nestjs/passport';
import { AuditModule } from '../audit/audit.module.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { LimitsModule } from '../limits/limits.module.js';
import { ISSUER } from '../tokens/access/issuer.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { UsersModule } from '../users/users.module.js';
import { AccessTokenProof } from './guards/access-token-proof.js';
import { AuthController } from './auth.controller.js';
import { CredentialCheckService } from './login/credential-check.service.js';
import { DevicesController } from './account/devices.controller.js';
import { ExternalIds } from './http/external-ids.service.js';
import { FailureFloor } from './login/failure-floor.js';
import { KnownDevicesService } from './login/known-devices.service.js';
import { JwtAuthGuard } from './guards/jwt-auth.guard.js';
import { JwtStrategy } from './guards/jwt.strategy.js';
import { LocalStrategy } from './login/local.strategy.js';
import { LoginService } from './login/login.service.js';
import { LogoutService } from './account/logout.service.js';
import { PasswordService } from './account/password.service.js';
import { RefreshService } from './refresh/refresh.service.js';
import { TokenReply } from './http/token-reply.js';
import { VerifyController } from './verify.controller.js';
import { WellKnownController } from './well-known.controller.js';

@Module({
  imports: [
    AuditModule,
    LimitsModule,
    TokensModule,
    UsersModule,
    PassportModule.register({ session: false }),
    // @nestjs/jwt checks the tokens of those who log out, where expiry does not count. It does not sign: JwtService signs
    // on the event loop, and a signature takes as long as a hundred requests.
    JwtModule.registerAsync({
      imports: [TokensModule],
      inject: [CONFIG, ISSUER],
      useFactory: (config: Config, issuer: string) => ({
        verifyOptions: {
          algorithms: ['RS256'],
          issuer,
          audience: config.jwtAudience,
          ignoreExpiration: true,
        },
      }),
    }),
  ],
  controllers: [AuthController, DevicesController, VerifyController, WellKnownController],
  providers: [
    AccessTokenProof,
    CredentialCheckService,
    ExternalIds,
    FailureFloor,
    JwtAuthGuard,
    JwtStrategy,
    KnownDevicesService,
    LocalStrategy,
    LoginService,
    LogoutService,
    PasswordService,
    RefreshService,
    TokenReply,
  ],
  exports: [
    AccessTokenProof,
    CredentialCheckService,
    JwtAuthGuard,
    KnownDevicesService,
    RefreshService,
    TokenReply,
  ],
})
export class AuthModule {}
