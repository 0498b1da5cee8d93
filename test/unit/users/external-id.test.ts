import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Problem } from '../../../src/common/http/problem.js';
import { fitsUser, normaliseExternalId, requireExternalId } from '../../../src/users/external-id.js';

const ID = '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10';
const OTHER = '0b9f6c0e-8f1d-4f5e-9a53-0a6f0c3d2b11';

describe('an external id', () => {
  it.each([
    '1',
    '0',
    '4711',
    '--',
    '...',
    '-1',
    '.a',
    '~',
    'Zo:e',
    'auth0|42:a_b@c+d=e~f',
    'AbC',
    'x'.repeat(128),
    'null',
  ])('is kept byte for byte: %s', (text) => {
    expect(normaliseExternalId(text)).toBe(text);
  });

  it.each([
    ['nothing', ''],
    ['a hyphen, which means no id', '-'],
    ['a dot', '.'],
    ['two dots', '..'],
    ['129 characters', 'x'.repeat(129)],
    ['a space', 'a b'],
    ['a space at the end', 'a '],
    ['a line break at the end', 'a\n'],
    ['a slash', 'a/b'],
    ['a percent sign', 'a%2Db'],
    ['a comma', 'a,b'],
    ['a letter beyond ASCII', 'Zoë'],
    ['a wide digit', '１'],
    ['NUL', 'a\0'],
    ['half a surrogate pair', '\ud800'],
  ])('is refused with %s', (_, text) => {
    expect(normaliseExternalId(text)).toBeUndefined();
  });

  it('that is a UUID is stored in lower case, and only its own user may have it', () => {
    expect(normaliseExternalId(ID.toUpperCase())).toBe(ID);
    expect(fitsUser(ID, ID)).toBe(true);
    expect(fitsUser(ID, OTHER)).toBe(false);
    expect(fitsUser(`${ID}x`, OTHER)).toBe(true);
    expect(requireExternalId(ID.toUpperCase(), ID)).toBe(ID);
  });

  it('normalises to an id that normalises to itself', () => {
    const character = fc.constantFrom(...Array.from('AZaz09._~@:|+=-'));
    fc.assert(
      fc.property(fc.string({ unit: character, minLength: 1, maxLength: 130 }), (text) => {
        const once = normaliseExternalId(text);
        if (once !== undefined) expect(normaliseExternalId(once)).toBe(once);
      }),
    );
  });

  it.each([
    ['-', undefined],
    [OTHER, ID],
  ])('that breaks the rules is refused by the name of its field: %s', (text, user) => {
    let refusal: unknown;
    try {
      requireExternalId(text, user);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(Problem);
    expect(refusal).toMatchObject({ status: 400, errors: [{ field: 'external_id' }] });
  });
});
