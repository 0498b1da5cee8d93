import { describe, expect, it } from 'vitest';
import { sameSecret } from '../../../../src/common/crypto/constant-time.js';

describe('the comparison in constant time', () => {
  it.each([
    ['text', 'abc', 'abc'],
    ['bytes', Buffer.from([0, 255]), new Uint8Array([0, 255])],
    ['text and its bytes', 'ü', Buffer.from('ü')],
    ['nothing', null, undefined],
    ['empty text', '', ''],
  ])('finds that %s are equal', (_, one, other) => expect(sameSecret(one, other)).toBe(true));

  it.each([
    ['another text', 'abc', 'abd'],
    ['a longer text', 'abc', 'abcd'],
    ['nothing and empty text', null, ''],
    ['text and nothing', 'undefined', undefined],
    ['another spelling in Unicode', 'ü', 'u\u0308'],
  ])('finds that %s differ', (_, one, other) => {
    expect(sameSecret(one, other)).toBe(false);
    expect(sameSecret(other, one)).toBe(false);
  });
});
