import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bearerIn } from '../../../src/auth/http/presented-credentials.js';

describe('bearerIn', () => {
  it.each<[string | undefined, string | undefined]>([
    [undefined, undefined],
    ['', undefined],
    ['Basic dXNlcjpwYXNz', undefined],
    ['Bearerey.a.b', undefined],
    ['Bearer', ''],
    ['Bearer ', ''],
    ['Bearer    ', ''],
    ['Bearer eyJ.a.b', 'eyJ.a.b'],
    ['bearer eyJ.a.b', 'eyJ.a.b'],
    ['BEARER  eyJ.a.b', 'eyJ.a.b'],
    ['Bearer invalid_token', 'invalid_token'],
    ['Bearer eyJ.a.b eyJ.c.d', ''],
    ['Bearer eyJ.a.b ', ''],
    ['Bearer\teyJ.a.b', undefined],
  ])('finds in %j %j', (header, token) => {
    expect(bearerIn(header)).toBe(token);
  });

  it('reads the scheme in any case', () => {
    const text = fc.string({ unit: fc.constantFrom(...'ey.aJ -_'.split('')) });
    fc.assert(
      fc.property(text, (rest) => {
        expect(bearerIn(`Bearer ${rest}`)).toBe(bearerIn(`bearer ${rest}`));
      }),
      { numRuns: 2_000 },
    );
  });
});
