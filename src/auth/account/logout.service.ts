import { Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { RevocationService } from '../../tokens/families/revocation.service.js';
import { PresentedTokensService } from '../../tokens/families/presented-tokens.service.js';
import { refuseToken } from '../../tokens/tokens.errors.js';
import { AccessTokenProof } from '../guards/access-token-proof.js';

/** What a caller offers as proof of the login that shall end. */
export interface LogoutProofs {
  readonly accessToken: string | undefined;
  /** Several if the browser has several cookies: one may have been put there by somebody else, and all of them end. */
  readonly refreshTokens: readonly string[];
}

@Injectable()
export class LogoutService {
  constructor(
    private readonly proof: AccessTokenProof,
    private readonly presented: PresentedTokensService,
    private readonly revocations: RevocationService,
  ) {}

  /**
   * Ends the logins of the tokens given. Idempotent; an expired or revoked token, or one whose key was distrusted, does as well as a live
   * one, as long as its signature or MAC is ours. Throws 401 if none is.
   */
  async logout({ accessToken, refreshTokens }: LogoutProofs, origin: Origin): Promise<void> {
    if (accessToken === undefined && refreshTokens.length === 0) throw refuseToken('token_missing');
    const sids = new Set<string>();
    const proved = accessToken === undefined ? undefined : await this.proof.of(accessToken);
    if (proved !== undefined) sids.add(proved.claims.sid);
    for (const { family } of await this.presented.verifyAll(refreshTokens)) sids.add(family.sid);
    if (sids.size === 0)
      throw refuseToken(accessToken === undefined ? 'refresh_token_invalid' : 'token_invalid');
    await this.revocations.revokeFamilies([...sids], 'logout', 'logout', origin);
  }
}
