import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normaliseUsername } from '../../../src/users/username.js';

const key = (raw: string) => normaliseUsername(raw)?.key;

describe('a username', () => {
  it('is displayed as written and compared without case', () => {
    expect(normaliseUsername('Grace.Hopper@Example.COM')).toEqual({
      display: 'Grace.Hopper@Example.COM',
      key: 'grace.hopper@example.com',
    });
  });

  it.each([
    ['composed and decomposed', 'Zoë', 'ZOE\u0308'],
    ['full width and plain', 'ｔｅｓｔ', 'test'],
    ['ligature and letters', 'ﬁona', 'Fiona'],
    ['mathematical and plain', '𝐚𝐝𝐦𝐢𝐧', 'admin'],
    ['either sigma', 'ΟΔΥΣΣΕΥΣ', 'οδυσσευσ'],
    ['final sigma', 'ΟΔΥΣΣΕΥΣ', 'οδυσσευς'],
    ['kelvin sign and k', '\u212Aelvin', 'kelvin'],
    ['script beyond the BMP', '𐐀𐐁', '𐐨𐐩'],
  ])('has the same key in another spelling: %s', (_, one, other) => {
    expect(key(one)).toBeDefined();
    expect(key(one)).toBe(key(other));
  });

  it('is displayed in composed form', () => {
    expect(normaliseUsername('Zoe\u0308')?.display).toBe('Zoë');
  });

  it('keeps letters of different scripts apart', () => {
    expect(key('аdmin')).not.toBe(key('admin'));
  });

  it.each([
    ['nothing', ''],
    ['a space', ' '],
    ['a leading space', ' a'],
    ['a trailing space', 'a '],
    ['a space inside', 'a b'],
    ['a no-break space', 'a\u00A0b'],
    ['an ideographic space', 'a\u3000b'],
    ['a line separator', 'a\u2028b'],
    ['a line break', 'a\n'],
    ['NUL', 'a\0b'],
    ['a control character', 'a\u0085b'],
    ['a zero-width space', 'a\u200Bb'],
    ['a zero-width joiner', 'a\u200Db'],
    ['a soft hyphen', 'a\u00ADb'],
    ['a direction override', 'a\u202Eb'],
    ['a byte order mark', '\uFEFFa'],
    ['a variation selector', 'a\uFE0F'],
    ['a Hangul filler', '\u3164'],
    ['a lone high surrogate', 'a\uD800'],
    ['a lone low surrogate', '\uDC00a'],
    ['a private character', 'a\uE000'],
    ['an unassigned character', 'a\u0378'],
    ['an accent that contains a space', 'a\u00B4'],
  ])('is refused with %s', (_, raw) => {
    expect(normaliseUsername(raw)).toBeUndefined();
  });

  it('has at most 128 characters in both forms', () => {
    expect(key('a'.repeat(128))).toBeDefined();
    expect(key('😀'.repeat(128))).toBeDefined();
    expect(key('e\u0301'.repeat(128))).toBe('é'.repeat(128));
    expect(key('a'.repeat(129))).toBeUndefined();
    expect(key('😀'.repeat(129))).toBeUndefined();
    expect(key('ﬃ'.repeat(43))).toBeUndefined();
    expect(key('a'.repeat(1_000_000))).toBeUndefined();
  });

  it('has the same key for each of its forms', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }), (raw) => {
        const name = normaliseUsername(raw);
        if (name === undefined) return;
        expect(key(name.display)).toBe(name.key);
        expect(key(name.key)).toBe(name.key);
        expect(key(raw.normalize('NFD'))).toBe(name.key);
      }),
    );
  });

  it('has the same key for both cases of each letter', () => {
    const letters = Array.from({ length: 0x2_0000 }, (_, code) => String.fromCodePoint(code)).filter(
      (letter) => /^\p{L}$/u.test(letter),
    );
    const unstable = letters.filter((letter) => {
      const name = key(letter);
      return name !== undefined && (key(name) !== name || key(letter.toLowerCase()) !== name);
    });
    expect(unstable).toEqual([]);
  });
});
