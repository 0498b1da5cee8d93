import { Inject, Injectable } from '@nestjs/common';
import { AccessTokenProof } from '../auth/guards/access-token-proof.js';
import { ConfirmationService } from '../tokens/families/confirmation.service.js';
import { ISSUER } from '../tokens/access/issuer.js';
import { RefreshTokenService } from '../tokens/families/refresh-token.service.js';
import { ChangeFeed } from '../tokens/feed/change-feed.js';
import { DatabaseClock } from '../tokens/feed/database-clock.js';
import { RevocationList } from '../tokens/feed/revocation-list.js';
import type { IntrospectionDto } from './oauth.dto.js';

const INACTIVE: IntrospectionDto = Object.freeze({ active: false });

/** What a token is worth now (RFC 7662). */
@Injectable()
export class Introspection {
  constructor(
    private readonly proof: AccessTokenProof,
    private readonly refreshTokens: RefreshTokenService,
    private readonly feed: ChangeFeed,
    private readonly revocations: RevocationList,
    private readonly clock: DatabaseClock,
    private readonly confirmations: ConfirmationService,
    @Inject(ISSUER) private readonly issuer: string,
  ) {}

  /**
   * Of a token that counts what it says; of any other, whatever it is, only that it does not. Judged on knowledge of revocations
   * that is fresh; throws 503 where there is none to be had.
   */
  async of(token: string): Promise<IntrospectionDto> {
    return (await this.accessToken(token)) ?? (await this.refreshToken(token)) ?? INACTIVE;
  }

  private async accessToken(token: string): Promise<IntrospectionDto | undefined> {
    const proved = await this.proof.of(token);
    if (proved === undefined) return undefined;
    if (proved.keyDistrusted) return INACTIVE;
    if (!this.feed.isFresh()) await this.feed.untilFresh();
    if (this.revocations.isRevoked(proved) || proved.claims.exp <= this.clock.now() / 1000) return INACTIVE;
    // It has reached an API: its client has the refresh token that came with it.
    this.confirmations.note(proved.claims.sid, proved.generation);
    return { active: true, token_type: 'Bearer', token_use: 'access_token', ...proved.claims };
  }

  private async refreshToken(token: string): Promise<IntrospectionDto | undefined> {
    const login = await this.refreshTokens.findLiveFamily(token);
    if (login === undefined) return undefined;
    const { userId: sub, sid, expiresAt } = login;
    return {
      active: true,
      token_use: 'refresh_token',
      iss: this.issuer,
      sub,
      sid,
      exp: Math.floor(expiresAt / 1000),
    };
  }
}
