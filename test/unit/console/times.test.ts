import { expect, it } from 'vitest';
import { learnTime, serviceNow } from '../../../packages/console/src/api/clock.js';
import { instantOf, localTime } from '../../../packages/console/src/ui/filter-field.js';
import { relative } from '../../../packages/console/src/ui/times.js';

const NOON = Date.parse('2026-11-24T12:00:00Z');

it.each([
  [0, 'now'],
  [-45_000, '45 s ago'],
  [-3 * 60_000, '3 min ago'],
  [-26 * 3_600_000, '1 day ago'],
  [2 * 86_400_000, 'in 2 days'],
])('says how long ago: %i ms are %s', (distance, text) => {
  expect(relative(NOON + distance, NOON)).toBe(text);
});

it('shows the time of the service although the clock of the computer is five minutes off', () => {
  learnTime(new Date(NOON).toUTCString(), NOON - 300_000);
  expect(serviceNow(NOON - 290_000) - NOON).toBe(10_500);
  // The header has whole seconds: a small difference means nothing.
  learnTime(new Date(NOON).toUTCString(), NOON + 900);
  expect(serviceNow(NOON)).toBe(NOON);
  learnTime('not a date', NOON - 300_000);
  learnTime(null, NOON - 300_000);
  expect(serviceNow(NOON)).toBe(NOON);
});

it('puts a time with a zone into a local input and back', () => {
  expect(instantOf(localTime('2026-11-24T09:30:15Z'))).toBe('2026-11-24T09:30:15.000Z');
  expect([localTime('yesterday'), localTime(''), instantOf('')]).toEqual(['', '', '']);
});
