import { Module } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { PassportModule } from '@nestjs/passport';
import { AuditModule } from '../audit/audit.module.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { LimitsModule } from '../limits/limits.module.js';
import { ISSUER } from '../tokens/issuer.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { UsersModule } from '../users/users.module.js';
import { AccessTokenProof } from './access-token-proof.js';
import { AuthController } from './auth.controller.js';
import { CredentialCheck } from './credential-check.service.js';
import { DevicesController } from './devices.controller.js';
import { ExternalIds } from './external-ids.service.js';
import { FailureFloor } from './failure-floor.js';
import { KnownDevices } from './known-devices.service.js';
import { JwtAuthGuard } from './jwt-auth.guard.js';
import { JwtStrategy } from './jwt.strategy.js';
import { LocalStrategy } from './local.strategy.js';
import { LoginService } from './login.service.js';
import { LogoutService } from './logout.service.js';
import { PasswordService } from './password.service.js';
import { RefreshService } from './refresh.service.js';
import { TokenReply } from './token-reply.js';
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
    CredentialCheck,
    ExternalIds,
    FailureFloor,
    JwtAuthGuard,
    JwtStrategy,
    KnownDevices,
    LocalStrategy,
    LoginService,
    LogoutService,
    PasswordService,
    RefreshService,
    TokenReply,
  ],
  exports: [AccessTokenProof, CredentialCheck, JwtAuthGuard, KnownDevices, RefreshService, TokenReply],
})
export class AuthModule {}
