import { Injectable } from '@nestjs/common';
import { RefreshTokenCodec } from './refresh-token.codec.js';
import type { VerifiedRefreshToken } from './refresh-token.service.js';
import { RefreshTokenStore } from './refresh-token.store.js';

type VerifiedToken = VerifiedRefreshToken & { readonly token: string };

/** Chooses the refresh token if a request carries several: another site may have set a cookie in the browser. */
@Injectable()
export class PresentedTokensService {
  constructor(
    private readonly codec: RefreshTokenCodec,
    private readonly store: RefreshTokenStore,
  ) {}

  /** The genuine tokens, also those of revoked or expired families. One statement for all. */
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
   * The token that a request presents. Of several tokens only the genuine ones count. If all belong to one family, returns the newest.
   * If they belong to several families, ignores those of revoked or expired families. If more than one family is left, returns
   * undefined, so that no one continues the family of another user.
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
