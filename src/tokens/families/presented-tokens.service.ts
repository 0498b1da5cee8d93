import { Injectable } from '@nestjs/common';
import { RefreshTokenCodec } from './refresh-token.codec.js';
import type { VerifiedRefreshToken } from './refresh-token.service.js';
import { RefreshTokenStore } from './refresh-token.store.js';

type VerifiedToken = VerifiedRefreshToken & { readonly token: string };

/** Says which refresh token counts if a request carries several: a browser may hold one that somebody else put there. */
@Injectable()
export class PresentedTokensService {
  constructor(
    private readonly codec: RefreshTokenCodec,
    private readonly store: RefreshTokenStore,
  ) {}

  /** The genuine ones, whatever the state of their families. One statement, however many there are. */
  async verifyAll(tokens: readonly string[]): Promise<VerifiedToken[]> {
    const parsed = tokens.flatMap((token) => {
      const presented = this.codec.parse(token);
      return presented === undefined ? [] : [{ token, presented }];
    });
    if (parsed.length === 0) return [];
    const families = new Map(
      (await this.store.findAll([...new Set(parsed.map(({ presented }) => presented.sid))])).map((family) => [
        family.sid,
        family,
      ]),
    );
    return parsed.flatMap(({ token, presented }) => {
      const family = families.get(presented.sid);
      if (family === undefined || !this.codec.isGenuine(presented, family.secret)) return [];
      return [{ token, family, generation: presented.generation }];
    });
  }

  /**
   * The one that a request presents. Of several only the genuine ones count: if they belong to one family, the newest of them. If they
   * belong to several, those of families that have ended are left out. Undefined if then there is still more than one family, so that
   * nobody continues a family that may be another user's.
   */
  async choose(tokens: readonly string[]): Promise<string | undefined> {
    if (tokens.length <= 1) return tokens[0];
    const verified = await this.verifyAll(tokens);
    return (
      newestOfOne(verified) ??
      newestOfOne(verified.filter(({ family }) => !family.revoked && !family.expired))
    );
  }
}

function newestOfOne(verified: readonly VerifiedToken[]): string | undefined {
  if (new Set(verified.map(({ family }) => family.sid)).size !== 1) return undefined;
  return verified.reduce((newest, other) => (other.generation > newest.generation ? other : newest)).token;
}
