import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalisePassword, PasswordPolicy } from '../../../src/users/password-policy.js';

const policy = (passwordMinLength = 15) => new PasswordPolicy({ passwordMinLength });

describe('the password policy', () => {
  it('accepts a long phrase of any characters', () => {
    for (const password of [
      'correct horse battery staple',
      'пятнадцать букв!',
      '  spaces count  ',
      '🦦🐙🦔🦉🐝🦊🐢🦀🐌🦎🐧🦜🦩🐞🦚',
    ])
      expect(policy().weakness(password, 'grace'), password).toBeUndefined();
  });

  it('counts characters as code points after normalisation', () => {
    const accented = 'e\u0301a\u0308o\u0302';
    expect(policy(4).weakness(accented)).toBe('The password needs at least 4 characters.');
    expect(policy(3).weakness(accented)).toBeUndefined();
    expect(policy(4).weakness('🦦🐙🦔')).toMatch(/at least 4/);
  });

  it('accepts up to 256 characters and no more', () => {
    const long = Array.from({ length: 257 }, (_, index) => String.fromCodePoint(0x4e00 + index * 7)).join('');
    expect(policy().weakness(long.slice(1))).toBeUndefined();
    expect(policy().weakness(long)).toBe('The password may have at most 256 characters.');
    expect(policy().weakness('x'.repeat(1_000_000))).toMatch(/at most 256/);
  });

  it.each([
    ['a common one', 8, 'iloveyou'],
    ['a common one in capitals', 8, 'ILoveYou'],
    ['a common one in full width', 8, 'ｉｌｏｖｅｙｏｕ'],
    // It starts and ends alike, so only the whole text is a common password.
    ['a common one in capitals that begins as it ends', 8, 'EINSTEIN'],
    ['such a one in full width', 8, 'ｅｉｎｓｔｅｉｎ'],
    ['a long common one', 15, '1qaz2wsx3edc4rfv'],
    ['a common one twice', 15, 'PasswordPassword'],
    ['a common one, repeated and truncated', 15, '123456789012345'],
    ['the username', 6, 'Octavia'],
    ['the username in another spelling', 6, 'ｏｃｔａｖｉａ'],
    ['the username again and again', 15, 'octaviaOctaviaOct'],
    ['one character', 15, '§'.repeat(20)],
    ['a few characters again and again', 15, 'xq7#'.repeat(4)],
    ['an ascending sequence', 15, 'bcdefghijklmnopq'],
    ['a descending sequence', 15, 'zyxwvutsrqponmlk'],
    ['a repeated sequence', 15, 'mnopqrstmnopqrst'],
    ['half a character', 15, 'correct horse \uD83D battery'],
  ])('refuses %s', (_, minLength, password) => {
    expect(policy(minLength).weakness(password, 'octavia')).toMatch(/^The password .*\.$/);
  });

  it.each([
    ['the username', 'qvixotl-brzndeis'],
    ['the username in capitals', 'QVIXOTL-BRZNDEIS'],
    ['the username in full width', 'ｑvixotl-brzndeis'],
    ['the username twice', 'qvixotl-brzndeisQvixotl-Brzndeis'],
    ['the username, repeated and truncated', 'qvixotl-brzndeisqvixotl-brz'],
  ])('refuses %s, although it is not a common password', (_, password) => {
    for (const username of ['qvixotl-brzndeis', 'Qvixotl-Brzndeis']) {
      expect(policy(15).weakness(password, username)).toBe('The password must not be the username.');
      expect(policy(15).weakness(password, 'somebody')).toBeUndefined();
    }
  });

  it('accepts a longer password that contains the name or a common password', () => {
    expect(policy().weakness('octavia likes password books', 'octavia')).toBeUndefined();
  });

  it('never repeats the password', () => {
    expect(policy().weakness('hunter2')).not.toContain('hunter2');
  });

  it('decides the same for every normalisation of a password', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 40 }),
        fc.string({ maxLength: 10 }),
        (password, name) => {
          const answer = policy(6).weakness(password, name);
          expect(policy(6).weakness(password.normalize('NFD'), name)).toBe(answer);
          expect(policy(6).weakness(password.normalize('NFC'), name)).toBe(answer);
        },
      ),
    );
  });
});

describe('the form in which a password is hashed', () => {
  it('is the same for composed and decomposed letters', () => {
    expect(normalisePassword('cafe\u0301')).toBe(normalisePassword('café'));
  });

  it('keeps case, width, spaces and length', () => {
    expect(normalisePassword(' Ｐass ﬁ\0 ')).toBe(' Ｐass ﬁ\0 ');
    expect(normalisePassword('x'.repeat(300))).toHaveLength(300);
  });
});
