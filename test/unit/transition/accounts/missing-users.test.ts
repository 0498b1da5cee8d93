import { describe, expect, it } from 'vitest';
import { isAlarm } from '../../../../src/transition/accounts/missing-users.service.js';

const figures = (queries: number, missing: number, more: object = {}) => ({
  queries,
  missing,
  alarmed: false,
  confirmed: false,
  ...more,
});

describe('the alarm about missing users', () => {
  it('is raised by at least 20 queries in a minute of which at least 5 per cent find no row', () => {
    expect(isAlarm(figures(19, 19))).toBe(false);
    expect(isAlarm(figures(20, 1))).toBe(true);
    expect(isAlarm(figures(100, 4))).toBe(false);
    expect(isAlarm(figures(100, 5))).toBe(true);
  });

  it('ends when the share falls, but not because nobody asks any more', () => {
    expect(isAlarm(figures(0, 0, { alarmed: true }))).toBe(true);
    expect(isAlarm(figures(10, 1, { alarmed: true }))).toBe(true);
    expect(isAlarm(figures(10, 0, { alarmed: true }))).toBe(false);
    expect(isAlarm(figures(100, 4, { alarmed: true }))).toBe(false);
  });

  it('ends when an operator confirms that the users are gone', () => {
    expect(isAlarm(figures(20, 20, { alarmed: true, confirmed: true }))).toBe(false);
  });
});
