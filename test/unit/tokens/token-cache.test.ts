import { describe, expect, it } from 'vitest';
import type { VerifiedToken } from '../../../src/tokens/access/access-token.js';
import { TokenCache } from '../../../src/tokens/access/token-cache.js';

const entry = (kid = 'k', exp = 100) => ({ kid, claims: { exp } }) as VerifiedToken;

describe('TokenCache', () => {
  it('never holds more than its capacity, and lets the oldest go first', () => {
    const cache = new TokenCache(100);
    for (let i = 0; i < 100_000; i++) cache.set(`t${i}`, entry());
    expect(cache.size).toBe(100);
    expect(cache.get('t99899')).toBeUndefined();
    expect(cache.get('t99900')).toBeDefined();
    expect(cache.get('t99999')).toBeDefined();
  });

  it('forgets what was signed by a key that is gone', () => {
    const cache = new TokenCache(10);
    cache.set('a', entry('old'));
    cache.set('b', entry('new'));
    cache.retainKeys((kid) => kid === 'new');
    expect(cache.get('a')).toBeUndefined();
    expect(cache.get('b')).toBeDefined();
  });

  it('makes room for tokens that are not expired', () => {
    const cache = new TokenCache(10);
    cache.set('a', entry('k', 100));
    cache.set('b', entry('k', 101));
    cache.prune(100);
    expect(cache.get('a')).toBeUndefined();
    expect(cache.get('b')).toBeDefined();
  });

  it('knows a token by the whole of its text, and not by its end', () => {
    const cache = new TokenCache(10);
    const signature = 'S'.repeat(512);
    cache.set(`header.mine.${signature}`, entry());
    expect(cache.get(`header.mine.${signature}`)).toBeDefined();
    expect(cache.get(`header.other.${signature}`)).toBeUndefined();
    expect(cache.get(signature)).toBeUndefined();
  });
});
