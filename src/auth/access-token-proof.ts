import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { inspectToken, readClaims } from '../tokens/access-token.js';
import type { VerifiedToken } from '../tokens/access-token.js';
import { KeyRing } from '../tokens/key-ring.service.js';
import { MintedTokens } from '../tokens/minted-tokens.service.js';

/** Proves access tokens where expiry and revocation are not what is asked: at logout, and when another service asks. */
@Injectable()
export class AccessTokenProof {
  constructor(
    private readonly jwt: JwtService,
    private readonly keys: KeyRing,
    private readonly minted: MintedTokens,
  ) {}

  /** The token if this service signed it with a key that is still trusted, expired and revoked or not. */
  async of(token: string): Promise<VerifiedToken | undefined> {
    const minted = this.minted.read(token);
    if (minted !== undefined) return minted;
    const header = inspectToken(token);
    const key = 'kid' in header ? this.keys.publicKey(header.kid) : undefined;
    if (key === undefined || !('kid' in header)) return undefined;
    try {
      const payload: unknown = await this.jwt.verifyAsync(token, { publicKey: key as never });
      return readClaims(payload, header.kid);
    } catch {
      return undefined;
    }
  }
}
