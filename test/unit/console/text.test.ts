import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { percent, plural, visible, words } from '../../../packages/console/src/ui/text.js';

const NAUGHTY = JSON.parse(
  readFileSync(new URL('../../vectors/naughty-strings/blns.json', import.meta.url), 'utf8'),
) as string[];

it.each([
  ['ada\u202Enimda', 'ada⟨U+202E⟩nimda'],
  ['zero\u200Bwidth', 'zero⟨U+200B⟩width'],
  ['line\u2028break\r\n', 'line⟨U+2028⟩break⟨U+000D⟩⟨U+000A⟩'],
  ['lone \uD800 surrogate', 'lone ⟨U+D800⟩ surrogate'],
  ['Zoë 👩‍💻', 'Zoë 👩⟨U+200D⟩💻'],
  ['plain text', 'plain text'],
])('shows hidden characters of %j by their numbers', (text, shown) => {
  expect(visible(text)).toBe(shown);
});

it('leaves no control or direction character in any naughty text', () => {
  for (const text of NAUGHTY)
    expect(visible(text), text).not.toMatch(/[\p{Cc}\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u);
});

it('writes counts, shares and codes for people', () => {
  expect([plural(1, 'login'), plural(1240, 'login')]).toEqual(['1 login', '1,240 logins']);
  expect([0, 0.00123, 0.0271, 0.5].map(percent)).toEqual(['0 %', '0.12 %', '2.7 %', '50 %']);
  expect(words('rolled_back')).toBe('Rolled back');
});
