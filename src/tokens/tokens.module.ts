import { Inject, Module } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { WebhooksModule } from '../webhooks/webhooks.module.js';
import { AccessTokenVerifierService } from './access/access-token-verifier.service.js';
import { AccessTokenService } from './access/access-token.service.js';
import { ConfirmationService } from './families/confirmation.service.js';
import { DeviceStore } from './families/device.store.js';
import { ISSUER, KeptIssuer, issuerProvider } from './access/issuer.js';
import { KeyUsageService } from './keys/key-usage.service.js';
import { KeyAdministrationService } from './keys/key-administration.service.js';
import { KeyOpenerService } from './keys/key-opener.service.js';
import { KeyRingService } from './keys/key-ring.service.js';
import { KeyTrustService } from './keys/key-trust.service.js';
import { RevocationService } from './families/revocation.service.js';
import { FamilyListStore } from './families/family-list.store.js';
import { FamilySweepStore } from './families/family-sweep.store.js';
import { PasswordProofStore } from './families/password-proof.store.js';
import { PresentedTokensService } from './families/presented-tokens.service.js';
import { RefreshTokenCodec } from './families/refresh-token.codec.js';
import { RefreshToken } from './families/refresh-token.entity.js';
import { RefreshTokenService } from './families/refresh-token.service.js';
import { RefreshTokenStore } from './families/refresh-token.store.js';
import { ChangeFeed } from './feed/change-feed.js';
import { DatabaseClock } from './feed/database-clock.js';
import { Propagation } from './feed/propagation.js';
import { RevocationList } from './feed/revocation-list.js';
import { Revocation } from './feed/revocation.entity.js';
import { RevocationStore } from './feed/revocation.store.js';
import { RevocationStreams } from './stream/revocation-streams.service.js';
import { SessionDirectoryService } from './families/session-directory.service.js';
import { RotationStore } from './families/rotation.store.js';
import { SigningKey } from './keys/signing-key.entity.js';
import { SigningKeyStore } from './keys/signing-key.store.js';
import { TokenLifetimeService } from './access/token-lifetime.service.js';

@Module({
  // It only verifies: JwtService would sign on the event loop, and a signature takes as long as a hundred requests.
  imports: [
    AuditModule,
    JwtModule.register({}),
    TypeOrmModule.forFeature([RefreshToken, Revocation, SigningKey]),
    WebhooksModule,
  ],
  providers: [
    AccessTokenService,
    ChangeFeed,
    AccessTokenVerifierService,
    ConfirmationService,
    DatabaseClock,
    DeviceStore,
    issuerProvider,
    KeptIssuer,
    KeyAdministrationService,
    KeyUsageService,
    KeyOpenerService,
    KeyRingService,
    KeyTrustService,
    RevocationService,
    FamilyListStore,
    FamilySweepStore,
    PasswordProofStore,
    PresentedTokensService,
    Propagation,
    RefreshTokenCodec,
    RefreshTokenService,
    RefreshTokenStore,
    RevocationList,
    RevocationStore,
    RevocationStreams,
    RotationStore,
    SessionDirectoryService,
    SigningKeyStore,
    TokenLifetimeService,
  ],
  exports: [
    AccessTokenService,
    ChangeFeed,
    AccessTokenVerifierService,
    ConfirmationService,
    DatabaseClock,
    DeviceStore,
    ISSUER,
    KeyAdministrationService,
    KeyUsageService,
    KeyOpenerService,
    KeyRingService,
    RevocationService,
    FamilyListStore,
    FamilySweepStore,
    PasswordProofStore,
    PresentedTokensService,
    Propagation,
    RefreshTokenCodec,
    RefreshTokenService,
    RefreshTokenStore,
    RevocationList,
    RevocationStore,
    RevocationStreams,
    RotationStore,
    SessionDirectoryService,
    SigningKeyStore,
    TokenLifetimeService,
  ],
})
export class TokensModule implements OnModuleInit {
  constructor(
    private readonly revocations: RevocationStore,
    private readonly feed: ChangeFeed,
    private readonly opener: KeyOpenerService,
    private readonly keys: KeyRingService,
    private readonly lifetime: TokenLifetimeService,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** The order matters. The node follows the key ring before it reads it, and it serves only once it has read the whole feed. */
  async onModuleInit(): Promise<void> {
    await this.opener.open();
    await this.revocations.raiseTokenExpiry(this.config.tokenExpiry + this.config.clockTolerance);
    await this.keys.reload();
    await this.feed.start();
    await this.lifetime.settled();
  }
}
