import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RefreshDto } from '../../../src/auth/auth.dto.js';
import { validationPipe } from '../../../src/common/validation.js';

/** The same rules, without the glance. */
class ByTheRules extends RefreshDto {
  static override usual(): undefined {
    return undefined;
  }
}

const through = (body: unknown, metatype: typeof RefreshDto) =>
  validationPipe.transform(body, { type: 'body', metatype }).then(
    (dto) => ({ ...(dto as object) }),
    (error: { code?: string }) => error.code,
  );

const token = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 600 }),
  fc.string({ unit: fc.constantFrom('a', 'Z', '0', '9', '_', '-'), minLength: 500, maxLength: 520 }),
  fc.constantFrom('', 'a\0', '\ud800', 'tandem_rt_x', null, 7, ['a'], { a: 1 }),
);
const body = fc.oneof(
  fc.record({ refresh_token: token }),
  fc.record({ refresh_token: token, other: token }, { requiredKeys: [] }),
  fc.constantFrom(undefined, null, [], 'text', { refreshToken: 'a' }, JSON.parse('{"__proto__":1}')),
);

describe('the body of a refresh', () => {
  it('is judged at a glance as its rules would judge it', async () => {
    await fc.assert(
      fc.asyncProperty(body, async (given) => {
        expect(await through(given, RefreshDto)).toEqual(await through(given, ByTheRules));
      }),
      { numRuns: 500 },
    );
  });

  it('is judged so where it is what clients send, and looked at closely where it is anything else', () => {
    expect(RefreshDto.usual({ refresh_token: `tandem_rt_${'a'.repeat(72)}` })).toBeInstanceOf(RefreshDto);
    expect(RefreshDto.usual({})).toEqual(new RefreshDto());
    for (const given of [
      { refresh_token: '' },
      { refresh_token: 'a'.repeat(513) },
      { refresh_token: 'ä' },
      { refresh_token: null },
      { refresh_token: 'a', other: 1 },
      { other: 'a' },
    ])
      expect([given, RefreshDto.usual(given)]).toEqual([given, undefined]);
  });
});
