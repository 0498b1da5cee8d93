import { Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { AccessTokenVerifierService } from '../../tokens/access/access-token-verifier.service.js';
import { PresentedTokensService } from '../../tokens/families/presented-tokens.service.js';
import { RevocationService } from '../../tokens/families/revocation.service.js';
import { refuseToken } from '../../tokens/tokens.errors.js';

/** The tokens of a logout request. */
export interface LogoutTokens {
  readonly accessToken: string | undefined;
  /** Several if the browser sent several cookies. Somebody else may have set one of them, so all their families are revoked. */
  readonly refreshTokens: readonly string[];
}

@Injectable()
export class LogoutService {
  constructor(
    private readonly verifier: AccessTokenVerifierService,
    private readonly presented: PresentedTokensService,
    private readonly revocations: RevocationService,
  ) {}

  /**
   * Revokes the families of the tokens. Idempotent. A token may have expired, be revoked, or be signed by a distrusted key: only its
   * signature or MAC must be ours. Throws 401 if no token is ours.
   */
  async logout({ accessToken, refreshTokens }: LogoutTokens, origin: Origin): Promise<void> {
    if (accessToken === undefined && refreshTokens.length === 0) throw refuseToken('token_missing');
    const verified = accessToken === undefined ? undefined : await this.verifier.verify(accessToken);
    const sids = new Set(verified === undefined ? [] : [verified.claims.sid]);
    for (const { family } of await this.presented.verifyAll(refreshTokens)) sids.add(family.sid);
    if (sids.size === 0)
      throw refuseToken(accessToken === undefined ? 'refresh_token_invalid' : 'token_invalid');
    await this.revocations.revokeFamilies([...sids], 'logout', 'logout', origin);
  }

  /** Revokes every family of the user. */
  logoutAll(userId: string, origin: Origin): Promise<unknown> {
    return this.revocations.revokeUser(userId, { reason: 'logout', event: 'logout' }, origin);
  }
}
