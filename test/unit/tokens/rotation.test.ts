import { describe, expect, it } from 'vitest';
import type { TokenFamily } from '../../../src/tokens/families/token-family.js';
import { judge } from '../../../src/tokens/families/rotation.js';
import type { Verdict } from '../../../src/tokens/families/rotation.js';

const BOTH = { grace: 10, lostResponse: 86_400 };
const NO_GRACE = { grace: 0, lostResponse: 86_400 };
const NO_LOST = { grace: 10, lostResponse: 0 };
const NEITHER = { grace: 0, lostResponse: 0 };

/** A login at generation 5. */
const at = (confirmedGeneration: number, age: number) =>
  ({ generation: 5, confirmedGeneration, age }) as TokenFamily;

describe('judge', () => {
  it.each<[string, number, TokenFamily, typeof BOTH, Verdict]>([
    ['the current one', 5, at(4, 0), BOTH, 'rotate'],
    ['the current one, long unused', 5, at(5, 1e9), NEITHER, 'rotate'],
    ['the current one, by a clock set back', 5, at(5, -1e9), NEITHER, 'rotate'],
    ['one of the future', 6, at(5, 0), BOTH, 'unknown'],
    ['one of the far future', 2 ** 48 - 1, at(5, 0), BOTH, 'unknown'],
    ['two back, at once', 3, at(4, 0), BOTH, 'reused'],
    ['two back, by a clock set back', 3, at(4, -1e9), BOTH, 'reused'],
    ['the first one', 0, at(0, 0), BOTH, 'reused'],
    ['the previous one, successor unseen, at once', 4, at(4, 0), BOTH, 'repeat'],
    ['the previous one, successor unseen, after hours', 4, at(4, 86_399), BOTH, 'repeat'],
    ['the previous one, successor unseen, after a day', 4, at(4, 86_400), BOTH, 'reused'],
    ['the previous one, nothing ever seen', 4, at(0, 3_600), BOTH, 'repeat'],
    ['the previous one, successor seen, two tabs', 4, at(5, 9.9), BOTH, 'repeat'],
    ['the previous one, successor seen, past the grace', 4, at(5, 10), BOTH, 'reused'],
    ['the previous one, a later one seen', 4, at(6, 11), BOTH, 'reused'],
    ['the previous one, successor seen, no grace', 4, at(5, 0), NO_GRACE, 'reused'],
    ['the previous one, successor unseen, no grace', 4, at(4, 60), NO_GRACE, 'repeat'],
    ['the previous one, successor unseen, no lost responses', 4, at(4, 9), NO_LOST, 'repeat'],
    ['the previous one, successor unseen, no lost responses, late', 4, at(4, 10), NO_LOST, 'reused'],
    ['the previous one, both windows off', 4, at(4, 0), NEITHER, 'reused'],
  ])('decides about %s', (_, generation, login, windows, verdict) => {
    expect(judge(login, generation, windows)).toBe(verdict);
  });
});
