import type { KeyObject } from 'node:crypto';
import { JwtStrategy } from '../../../src/auth/jwt.strategy.js';
import type { KnownToken } from '../../../src/auth/known-token.js';
import type { Config } from '../../../src/config/config.js';
import type { KeyRing } from '../../../src/tokens/key-ring.service.js';

export const ISSUER = 'http://tandem.test';
export const AUDIENCE = 'api';

/** Takes a token through the strategy as Passport does: what it stands for, or why it stands for nothing. */
export function prover(keys: Readonly<Record<string, KeyObject>>) {
  const ring = { publicKey: (kid: string) => (Object.hasOwn(keys, kid) ? keys[kid] : undefined) };
  const strategy = new JwtStrategy(ring as KeyRing, ISSUER, { jwtAudience: AUDIENCE } as Config);
  return (token: string): Promise<KnownToken | { readonly refused: unknown }> =>
    new Promise((resolve) => {
      const attempt = Object.assign(Object.create(strategy) as JwtStrategy, {
        success: (user: KnownToken) => resolve(user),
        fail: (why: unknown) => resolve({ refused: why }),
        error: (why: unknown) => resolve({ refused: why }),
      });
      const request = { headers: { authorization: `Bearer ${token}` } };
      attempt.authenticate(request as unknown as Parameters<JwtStrategy['authenticate']>[0]);
    });
}
