import type { KeyObject } from 'node:crypto';
import { JwtService } from '@nestjs/jwt';
import { expect } from 'vitest';
import { makeJti } from '@tandem-auth/verifier/token';
import type { VerifiedToken } from '@tandem-auth/verifier/token';
import { JwtStrategy } from '../../../src/auth/guards/jwt.strategy.js';
import type { Config } from '../../../src/config/config.js';
import { AccessTokenVerifierService } from '../../../src/tokens/access/access-token-verifier.service.js';
import type { TokenLifetimeService } from '../../../src/tokens/access/token-lifetime.service.js';
import type { ChangeFeed } from '../../../src/tokens/feed/change-feed.js';
import type { DatabaseClock } from '../../../src/tokens/feed/database-clock.js';
import type { RevocationList } from '../../../src/tokens/feed/revocation-list.js';
import type { KeyRingService } from '../../../src/tokens/keys/key-ring.service.js';
import { refuseToken } from '../../../src/tokens/tokens.errors.js';

export const ISSUER = 'http://tandem.test';
export const AUDIENCE = 'api';

/** A key whose id begins like this is distrusted. */
export const DISTRUSTED = 'distrusted';

/** The greatest TOKEN_EXPIRY, in seconds. */
export const LONGEST = 3_600;

/** Claims that the service mints. */
export const CLAIMS = {
  iss: ISSUER,
  aud: AUDIENCE,
  sub: '6f1c1c9e-52ad-4b9f-8a3c-0d6a0a6d5a01',
  role: 'user',
  sid: '6f1c1c9e-52ad-4b9f-8a3c-0d6a0a6d5a02',
  jti: makeJti({ generation: 1, epoch: 2 }),
  iat: 1_000,
  exp: 1_900,
};

type Verified = VerifiedToken | { readonly refused: unknown };

/**
 * Verifies a token as the guard does, at the beginning of time and without revocations: the verified token, or why it is refused. Also
 * checks that the fast path, Passport and the verification for logout agree.
 */
export function verifierOf(keys: Readonly<Record<string, KeyObject>>) {
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
  const config = { jwtAudience: AUDIENCE } as Config;
  const verifier = new AccessTokenVerifierService(
    ring,
    { isFresh: () => true, catchUp: () => Promise.resolve() } as ChangeFeed,
    { isRevoked: () => false } as unknown as RevocationList,
    { now: () => 0 } as DatabaseClock,
    { longest: LONGEST } as TokenLifetimeService,
    new JwtService({}),
    ISSUER,
    config,
  );
  const strategy = new JwtStrategy(verifier, ISSUER, config);
  return async (token: string): Promise<Verified> => {
    const byPassport = await authenticate(strategy, token);
    const canonical = verifier.verifyCanonical(token);
    if (canonical !== undefined) expect(canonical).toEqual(byPassport);
    else if (!('refused' in byPassport)) expect(ring.namedBy(token)).toBeUndefined();
    expect(await verifier.verify(token)).toEqual('refused' in byPassport ? undefined : byPassport);
    if ('refused' in byPassport) return byPassport;
    const refusal = await verifier.refusalOf(byPassport);
    return refusal === undefined ? byPassport : { refused: refuseToken(refusal) };
  };
}

function authenticate(strategy: JwtStrategy, token: string): Promise<Verified> {
  return new Promise((resolve) => {
    const attempt = Object.assign(Object.create(strategy) as JwtStrategy, {
      success: (user: VerifiedToken) => resolve(user),
      fail: (why: unknown) => resolve({ refused: why }),
      error: (why: unknown) => resolve({ refused: why }),
    });
    const request = { headers: { authorization: `Bearer ${token}` } };
    attempt.authenticate(request as unknown as Parameters<JwtStrategy['authenticate']>[0]);
  });
}
