import { Inject, Injectable } from '@nestjs/common';
import type { Origin } from '../audit/audit-context.js';
import { AccessTokenVerifierService } from '../tokens/access/access-token-verifier.service.js';
import { ISSUER } from '../tokens/access/issuer.js';
import { ConfirmationService } from '../tokens/families/confirmation.service.js';
import { RefreshTokenService } from '../tokens/families/refresh-token.service.js';
import { RevocationService } from '../tokens/families/revocation.service.js';
import type { IntrospectionDto } from './oauth.dto.js';

const INACTIVE: IntrospectionDto = Object.freeze({ active: false });

/** Introspects and revokes tokens for service clients. */
@Injectable()
export class OAuthTokenService {
  constructor(
    private readonly verifier: AccessTokenVerifierService,
    private readonly refreshTokens: RefreshTokenService,
    private readonly revocations: RevocationService,
    private readonly confirmations: ConfirmationService,
    @Inject(ISSUER) private readonly issuer: string,
  ) {}

  /**
   * Returns the content of a valid token (RFC 7662), and for any other text only that it is not active. Throws 503 while the revocations
   * are stale.
   */
  async introspect(token: string): Promise<IntrospectionDto> {
    return (
      (await this.introspectAccessToken(token)) ?? (await this.introspectRefreshToken(token)) ?? INACTIVE
    );
  }

  /** Revokes the family of an access or refresh token of ours, also of an expired one (RFC 7009). Ignores any other text. */
  async revoke(token: string, clientId: string, origin: Origin): Promise<void> {
    const verified = await this.verifier.verify(token);
    const sid = verified?.claims.sid ?? (await this.refreshTokens.verify(token))?.family.sid;
    if (sid === undefined) return;
    await this.revocations.revokeFamilies([sid], 'revoke', 'revoke', origin, { actorId: clientId });
  }

  private async introspectAccessToken(token: string): Promise<IntrospectionDto | undefined> {
    const verified = await this.verifier.verify(token);
    if (verified === undefined) return undefined;
    if ((await this.verifier.refusalOf(verified)) !== undefined) return INACTIVE;
    // The token reached an API, so its client also received the refresh token that came with it.
    this.confirmations.note(verified.claims.sid, verified.generation);
    return { active: true, token_type: 'Bearer', token_use: 'access_token', ...verified.claims };
  }

  private async introspectRefreshToken(token: string): Promise<IntrospectionDto | undefined> {
    const family = await this.refreshTokens.verifyCurrent(token);
    if (family === undefined) return undefined;
    const { userId: sub, externalId, sid, expiresAt } = family;
    return {
      active: true,
      token_use: 'refresh_token',
      iss: this.issuer,
      sub,
      sid,
      exp: Math.floor(expiresAt / 1000),
      ...(externalId !== null && { external_id: externalId }),
    };
  }
}
