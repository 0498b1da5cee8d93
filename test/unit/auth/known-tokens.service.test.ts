import { beforeEach, describe, expect, it } from 'vitest';
import type { VerifiedToken } from '@tandem-auth/verifier/token';
import { CAPACITY, KnownTokensService } from '../../../src/auth/guards/known-tokens.service.js';
import { BackgroundLoops } from '../../../src/common/background-loops.js';
import type { Config } from '../../../src/config/config.js';
import type { DatabaseClock } from '../../../src/tokens/feed/database-clock.js';

const verified = (exp = 100, more: object = {}) =>
  ({ kid: 'k', claims: { exp, iat: 10, sub: 'u', role: 'user', sid: 's', ...more } }) as VerifiedToken;

describe('KnownTokensService', () => {
  let tokens: KnownTokensService;
  beforeEach(() => {
    const clock = { now: () => 0 } as DatabaseClock;
    tokens = new KnownTokensService(clock, new BackgroundLoops(false), { clockTolerance: 5 } as Config);
  });

  it('never holds more tokens than its capacity, and forgets the oldest first', () => {
    for (let i = 0; i < CAPACITY + 100; i++) tokens.remember(`t${i}`, verified());
    expect(tokens.size).toBe(CAPACITY);
    expect(tokens.find('t99')).toBeUndefined();
    expect(tokens.find('t100')).toBeDefined();
    expect(tokens.find(`t${CAPACITY + 99}`)).toBeDefined();
  });

  it('forgets expired tokens', () => {
    tokens.remember('a', verified(100));
    tokens.remember('b', verified(101));
    tokens.prune(100);
    expect(tokens.find('a')).toBeUndefined();
    expect(tokens.find('b')).toBeDefined();
  });

  it('finds a token by its whole text, not by its end', () => {
    const signature = 'S'.repeat(512);
    tokens.remember(`header.mine.${signature}`, verified());
    expect(tokens.find(`header.mine.${signature}`)).toBeDefined();
    expect(tokens.find(`header.other.${signature}`)).toBeUndefined();
    expect(tokens.find(signature)).toBeUndefined();
    tokens.rememberExternalId(`header.other.${signature}`, 'other');
    expect(tokens.find(`header.mine.${signature}`)?.principal.externalId).toBeUndefined();
  });

  it('takes the external id from the token', () => {
    const { principal } = tokens.remember('a', verified(100, { external_id: 'x-1' }));
    expect(principal.externalId).toBe('x-1');
  });

  it('knows that a token without the claim means no external id, once no node can run the earlier release', () => {
    const idOf = (name: string, iat: number) =>
      tokens.remember(name, verified(100_000, { iat })).principal.externalId;
    expect(idOf('before the start', 10)).toBeUndefined();
    tokens.onApplicationBootstrap();
    expect(idOf('during the upgrade', 3_599)).toBeUndefined();
    expect(idOf('after the upgrade', 3_600)).toBeNull();
  });

  it('freezes the principal that requests share', () => {
    const first = tokens.remember('a', verified()).principal;
    expect(first).toEqual({ userId: 'u', role: 'user', sid: 's', via: 'bearer' });
    tokens.rememberExternalId('a', 'x-1');
    const second = tokens.find('a')!.principal;
    expect(second).toEqual({ ...first, externalId: 'x-1' });
    for (const principal of [first, second]) expect(Object.isFrozen(principal)).toBe(true);
  });
});
