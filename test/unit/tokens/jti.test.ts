import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeJti, readJti } from '@tandem-auth/verifier/token';

const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });

describe('the jti', () => {
  it('carries every generation and epoch, in a version 8 UUID', () => {
    fc.assert(
      fc.property(uint32, uint32, (generation, epoch) => {
        const jti = makeJti({ generation, epoch });
        expect(jti).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(readJti(jti)).toEqual({ generation, epoch });
      }),
    );
  });

  it('differs between tokens of the same generation and epoch', () => {
    const made = Array.from({ length: 1_000 }, () => makeJti({ generation: 1, epoch: 1 }));
    expect(new Set(made).size).toBe(made.length);
  });

  it.each([
    ['a random UUID', '3b241101-e2bb-4255-8caf-4136c566a962'],
    ['another variant', '00000001-0000-8000-c000-000000000001'],
    ['upper case', '0000000A-0000-8000-8000-000000000001'],
    ['no hyphens', '00000001000080008000000000000001'],
    ['a line break behind it', '00000001-0000-8000-8000-000000000001\n'],
    ['too short', '00000001-0000-8000-8000-00000000001'],
    ['nothing', ''],
  ])('is nothing of ours if it is %s', (_, jti) => {
    expect(readJti(jti)).toBeUndefined();
  });

  it('throws for a number that does not fit', () => {
    expect(() => makeJti({ generation: 2 ** 32, epoch: 0 })).toThrow(RangeError);
    expect(() => makeJti({ generation: 0, epoch: -1 })).toThrow(RangeError);
  });
});
