import type { KeyObject } from 'node:crypto';
import { expect } from 'vitest';
import { JwtStrategy } from '../../../src/auth/guards/jwt.strategy.js';
import { knownToken } from '../../../src/auth/guards/known-token.js';
import type { KnownToken } from '../../../src/auth/guards/known-token.js';
import type { Config } from '../../../src/config/config.js';
import type { KeyRingService } from '../../../src/tokens/keys/key-ring.service.js';
import type { TokenLifetimeService } from '../../../src/tokens/access/token-lifetime.service.js';
import { MintedTokens } from '../../../src/tokens/access/minted-tokens.service.js';

export const ISSUER = 'http://tandem.test';
export const AUDIENCE = 'api';

/** A key whose id begins so was distrusted. */
export const DISTRUSTED = 'distrusted';

/** The greatest TOKEN_EXPIRY, in seconds. */
export const LONGEST = 3_600;

type Proved = KnownToken | { readonly refused: unknown };

/** Takes a token through the strategy as Passport does: what it stands for, or why it stands for nothing. Holds the short way to it. */
export function prover(keys: Readonly<Record<string, KeyObject>>) {
  const written = Object.entries(keys).map(([kid, publicKey]) => {
    const header = Buffer.from(JSON.stringify({ alg: 'RS256', typ: 'at+jwt', kid })).toString('base64url');
    return { kid, publicKey, header };
  });
  const ring = {
    verificationKey: (kid: string) =>
      Object.hasOwn(keys, kid)
        ? { publicKey: keys[kid]!, distrusted: kid.startsWith(DISTRUSTED) }
        : undefined,
    namedBy: (token: string) =>
      written.find(({ kid, header }) => !kid.startsWith(DISTRUSTED) && token.startsWith(`${header}.`)),
  } as KeyRingService;
  const lifetime = { longest: LONGEST } as TokenLifetimeService;
  const config = { jwtAudience: AUDIENCE } as Config;
  const strategy = new JwtStrategy(ring, lifetime, ISSUER, config);
  const minted = new MintedTokens(ring, lifetime, ISSUER, config);
  return async (token: string): Promise<Proved> => {
    const proved = await byPassport(strategy, token);
    // The short way takes what Passport takes, if it takes it at all.
    const short = minted.read(token);
    if (short !== undefined) expect(knownToken(short)).toEqual(proved);
    else if (!('refused' in proved)) expect(ring.namedBy(token)).toBeUndefined();
    return proved;
  };
}

function byPassport(strategy: JwtStrategy, token: string): Promise<Proved> {
  return new Promise((resolve) => {
    const attempt = Object.assign(Object.create(strategy) as JwtStrategy, {
      success: (user: KnownToken) => resolve(user),
      fail: (why: unknown) => resolve({ refused: why }),
      error: (why: unknown) => resolve({ refused: why }),
    });
    const request = { headers: { authorization: `Bearer ${token}` } };
    attempt.authenticate(request as unknown as Parameters<JwtStrategy['authenticate']>[0]);
  });
}
