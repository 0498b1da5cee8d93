import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DWELL, JWKS_MAX_AGE, ringAt } from '../../../src/tokens/keys/key-ring.js';

const key = (kid: string, promoteAt: number, distrusted = false) => ({ kid, promoteAt, distrusted });
const LIFE = 900;
const kids = (keys: readonly { kid: string }[]) => keys.map(({ kid }) => kid);
const ring = (keys: Parameters<typeof ringAt>[0], now: number) => {
  const { next, current, previous } = ringAt(keys, now, LIFE);
  return { next: kids(next), current: current?.kid, previous: kids(previous) };
};

describe('ringAt', () => {
  it('returns an empty ring without keys', () => {
    expect(ring([], 0)).toEqual({ next: [], current: undefined, previous: [] });
  });

  it('promotes a key at its time, and keeps the previous key until its last token has expired', () => {
    const keys = [key('b', 1_000_000), key('a', 0)];
    const gone = 1_000_000 + (LIFE + 60) * 1000;
    expect(ring(keys, 999_999)).toEqual({ next: ['b'], current: 'a', previous: [] });
    expect(ring(keys, 1_000_000)).toEqual({ next: [], current: 'b', previous: ['a'] });
    expect(ring(keys, gone - 1)).toEqual({ next: [], current: 'b', previous: ['a'] });
    expect(ring(keys, gone)).toEqual({ next: [], current: 'b', previous: [] });
  });

  it('ignores distrusted keys', () => {
    const keys = [key('a', 0), key('b', 1_000, true), key('c', 2_000, true), key('d', 9_000)];
    expect(ring(keys, 5_000)).toEqual({ next: ['d'], current: 'a', previous: [] });
  });

  it('lists the next keys in the order of their promotion', () => {
    expect(ring([key('c', 3), key('b', 2), key('a', 0)], 1).next).toEqual(['b', 'c']);
  });

  it('always has one signing key after the first promotion, and verifies every token until it expires', () => {
    const times = fc.array(fc.integer({ min: 0, max: 10_000_000 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(
        times,
        fc.nat({ max: 12_000_000 }),
        fc.integer({ min: 0, max: LIFE }),
        (all, signedAt, age) => {
          const keys = all.map((promoteAt, index) => key(`k${index}`, promoteAt));
          const signer = ring(keys, signedAt).current;
          expect(signer === undefined).toBe(signedAt < Math.min(...all));
          if (signer === undefined) return;
          const later = ring(keys, signedAt + age * 1000);
          expect([later.current, ...later.previous]).toContain(signer);
        },
      ),
    );
  });

  it('publishes a key for longer than clients may cache the JWK Set', () => {
    expect(DWELL).toBeGreaterThan(JWKS_MAX_AGE);
  });
});
