import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/auth/refresh/refresh.service.js';
import type { Verdict } from '../../../src/auth/refresh/refresh.service.js';
import type { TokenFamily } from '../../../src/tokens/families/token-family.js';

const windows = (refreshReuseGrace: number, refreshLostResponseWindow: number) => ({
  refreshReuseGrace,
  refreshLostResponseWindow,
});
const BOTH = windows(10, 86_400);
const NO_GRACE = windows(0, 86_400);
const NO_LOST = windows(10, 0);
const NEITHER = windows(0, 0);

/** A family at generation 5. */
const at = (confirmedGeneration: number, age: number) =>
  ({ generation: 5, confirmedGeneration, age }) as TokenFamily;

describe('the verdict about a refresh token of a live family', () => {
  it.each<[string, Verdict, number, TokenFamily, typeof BOTH]>([
    ['the current token', 'rotate', 5, at(4, 0), BOTH],
    ['the current token after a long time', 'rotate', 5, at(5, 1e9), NEITHER],
    ['the current token when the clock was set back', 'rotate', 5, at(5, -1e9), NEITHER],
    ['a token of the next generation', 'unknown', 6, at(5, 0), BOTH],
    ['a token of a far future generation', 'unknown', 2 ** 48 - 1, at(5, 0), BOTH],
    ['a token two generations back, at once', 'reused', 3, at(4, 0), BOTH],
    ['a token two generations back when the clock was set back', 'reused', 3, at(4, -1e9), BOTH],
    ['the first token', 'reused', 0, at(0, 0), BOTH],
    ['the previous token at once, successor not seen', 'repeat', 4, at(4, 0), BOTH],
    ['the previous token within the lost-response window', 'repeat', 4, at(4, 86_399), BOTH],
    ['the previous token after the lost-response window', 'reused', 4, at(4, 86_400), BOTH],
    ['the previous token, no generation ever seen', 'repeat', 4, at(0, 3_600), BOTH],
    ['the previous token within the grace period, successor seen', 'repeat', 4, at(5, 9.9), BOTH],
    ['the previous token after the grace period, successor seen', 'reused', 4, at(5, 10), BOTH],
    ['the previous token after the grace period, later generation seen', 'reused', 4, at(6, 11), BOTH],
    ['the previous token without a grace period, successor seen', 'reused', 4, at(5, 0), NO_GRACE],
    ['the previous token without a grace period, successor not seen', 'repeat', 4, at(4, 60), NO_GRACE],
    ['the previous token in time without a lost-response window', 'repeat', 4, at(4, 9), NO_LOST],
    ['the previous token late without a lost-response window', 'reused', 4, at(4, 10), NO_LOST],
    ['the previous token with both windows off', 'reused', 4, at(4, 0), NEITHER],
  ])('of %s is "%s"', (_, verdict, generation, family, config) => {
    expect(judge(family, generation, config)).toBe(verdict);
  });
});
