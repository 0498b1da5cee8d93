import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { ServiceClients } from '../auth/guards/service-client.guard.js';
import { LimitsModule } from '../limits/limits.module.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { ClientAuthentication } from './client-authentication.js';
import { AdminClientsController } from './clients.admin.controller.js';
import { MetadataController } from './metadata.controller.js';
import { OAuthClient } from './oauth-client.entity.js';
import { OAuthClientTrust } from './oauth-client.trust.js';
import { OAuthClientService } from './oauth-client.service.js';
import { OAuthClientStore } from './oauth-client.store.js';
import { OAuthController } from './oauth.controller.js';
import { OAuthTokenService } from './oauth-token.service.js';
import { RevocationConsumersService } from './revocations/revocation-consumers.service.js';
import { RevocationsController } from './revocations/revocations.controller.js';

@Module({
  imports: [AuditModule, AuthModule, LimitsModule, TokensModule, TypeOrmModule.forFeature([OAuthClient])],
  controllers: [AdminClientsController, MetadataController, OAuthController, RevocationsController],
  providers: [
    ClientAuthentication,
    OAuthClientService,
    OAuthClientStore,
    OAuthClientTrust,
    OAuthTokenService,
    RevocationConsumersService,
  ],
  exports: [OAuthClientService],
})
export class OAuthModule {
  /** Lets service clients authenticate on routes of other features. */
  constructor(clients: ServiceClients, authentication: ClientAuthentication) {
    clients.use(authentication);
  }
}
