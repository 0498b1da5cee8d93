import { Injectable } from '@nestjs/common';
import { IssuedTokenStore } from '../../audit/issued-token.store.js';
import { ringAt } from './key-ring.js';
import { SigningKeyStore } from './signing-key.store.js';

/** The access tokens that a key signed and that have not expired, and their users. */
export interface KeyUsage {
  readonly kid: string;
  readonly tokens: number;
  readonly users: number;
  /** False if there are more. */
  readonly exact: boolean;
}

/** A count of tokens stops here. */
const MOST_TOKENS = 100_000;

/** Says whom it concerns if a key is distrusted. */
@Injectable()
export class KeyUsageService {
  constructor(
    private readonly store: SigningKeyStore,
    private readonly issued: IssuedTokenStore,
  ) {}

  /** The current key, then previous ones. Tokens that were revoked meanwhile count, too. */
  async usage(): Promise<KeyUsage[]> {
    const { keys, now, longestExpiry } = await this.store.load();
    const { current, previous } = ringAt(keys, now, longestExpiry);
    const signers = [...previous, ...(current === undefined ? [] : [current])];
    const usages: KeyUsage[] = [];
    for (const [index, { kid, promoteAt }] of signers.entries()) {
      const since = Math.max(promoteAt, now - longestExpiry * 1000);
      const until = signers[index + 1]?.promoteAt ?? now;
      const { tokens, users } = await this.issued.between(since, until, MOST_TOKENS + 1);
      const exact = tokens <= MOST_TOKENS;
      usages.push({ kid, tokens: exact ? tokens : MOST_TOKENS, users, exact });
    }
    return usages.toReversed();
  }
}
