import { Inject, Module } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { AccessTokens } from './access-token.service.js';
import { Confirmations } from './confirmations.js';
import { DeviceStore } from './device.store.js';
import { ISSUER, KeptIssuer, issuerProvider } from './issuer.js';
import { KeyAdministration } from './key-administration.service.js';
import { KeyOpener } from './key-opener.js';
import { KeyRing } from './key-ring.service.js';
import { KeyTrust } from './key-trust.js';
import { MintedTokens } from './minted-tokens.service.js';
import { LoginEnder } from './login-ender.service.js';
import { LoginListStore } from './login-list.store.js';
import { LoginSweepStore } from './login-sweep.store.js';
import { PresentedTokens } from './presented-tokens.service.js';
import { RefreshPresentation } from './presentation.service.js';
import { RefreshTokenCodec } from './refresh-token.codec.js';
import { RefreshToken } from './refresh-token.entity.js';
import { RefreshTokenService } from './refresh-token.service.js';
import { RefreshTokenStore } from './refresh-token.store.js';
import { RevocationFeed } from './revocation-feed.js';
import { Revocation } from './revocation.entity.js';
import { RevocationStore } from './revocation.store.js';
import { RotationStore } from './rotation.store.js';
import { SigningKey } from './signing-key.entity.js';
import { SigningKeyStore } from './signing-key.store.js';
import { TokenLifetime } from './token-lifetime.service.js';

@Module({
  imports: [AuditModule, TypeOrmModule.forFeature([RefreshToken, Revocation, SigningKey])],
  providers: [
    AccessTokens,
    Confirmations,
    DeviceStore,
    issuerProvider,
    KeptIssuer,
    KeyAdministration,
    KeyOpener,
    KeyRing,
    KeyTrust,
    MintedTokens,
    LoginEnder,
    LoginListStore,
    LoginSweepStore,
    PresentedTokens,
    RefreshPresentation,
    RefreshTokenCodec,
    RefreshTokenService,
    RefreshTokenStore,
    RevocationFeed,
    RevocationStore,
    RotationStore,
    SigningKeyStore,
    TokenLifetime,
  ],
  exports: [
    AccessTokens,
    Confirmations,
    DeviceStore,
    ISSUER,
    KeyAdministration,
    KeyOpener,
    KeyRing,
    MintedTokens,
    LoginEnder,
    LoginListStore,
    LoginSweepStore,
    PresentedTokens,
    RefreshPresentation,
    RefreshTokenCodec,
    RefreshTokenService,
    RefreshTokenStore,
    RevocationFeed,
    RevocationStore,
    SigningKeyStore,
    TokenLifetime,
  ],
})
export class TokensModule implements OnModuleInit {
  constructor(
    private readonly revocations: RevocationStore,
    private readonly feed: RevocationFeed,
    private readonly opener: KeyOpener,
    private readonly keys: KeyRing,
    private readonly lifetime: TokenLifetime,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** The order matters: a node serves only with the whole feed, and follows the ring before it reads it. */
  async onModuleInit(): Promise<void> {
    await this.opener.open();
    await this.revocations.noteTokenExpiry(this.config.tokenExpiry + this.config.clockTolerance);
    await this.keys.reload();
    await this.feed.start();
    await this.lifetime.settled();
  }
}
