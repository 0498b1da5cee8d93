import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { inspectToken, readClaims } from '../../tokens/access/access-token.js';
import type { VerifiedToken } from '../../tokens/access/access-token.js';
import { KeyRingService } from '../../tokens/keys/key-ring.service.js';
import { TokenLifetimeService } from '../../tokens/access/token-lifetime.service.js';
import { MintedTokens } from '../../tokens/access/minted-tokens.service.js';

export interface ProvedToken extends VerifiedToken {
  /** Its key was distrusted: it opens nothing any more. */
  readonly keyDistrusted: boolean;
}

/** Proves access tokens where expiry and revocation are not what is asked: at logout, and when another service asks. */
@Injectable()
export class AccessTokenProof {
  constructor(
    private readonly jwt: JwtService,
    private readonly keys: KeyRingService,
    private readonly minted: MintedTokens,
    private readonly lifetime: TokenLifetimeService,
  ) {}

  /** The token if this service signed it, also if it has expired, or it or its key has been revoked. */
  async of(token: string): Promise<ProvedToken | undefined> {
    const minted = this.minted.read(token);
    if (minted !== undefined) return { ...minted, keyDistrusted: false };
    const header = inspectToken(token);
    const key = 'kid' in header ? this.keys.verificationKey(header.kid) : undefined;
    if (key === undefined || !('kid' in header)) return undefined;
    try {
      const payload: unknown = await this.jwt.verifyAsync(token, { publicKey: key.publicKey as never });
      const claims = readClaims(payload, header.kid, this.lifetime.longest);
      return claims && { ...claims, keyDistrusted: key.distrusted };
    } catch {
      return undefined;
    }
  }
}
