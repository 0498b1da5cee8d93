import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { daysIn, forecastOf, leftAt } from '../../../../packages/console/src/transition/left/forecast.js';
import type { Day } from '../../../../packages/console/src/transition/left/forecast.js';

const DAY_MS = 86_400_000;
const START = Date.parse('2026-11-01T12:00:00Z');

/** Users on consecutive days, and the morning after. */
function daysWith(...users: number[]): [Day[], number] {
  return [
    users.map((count, day) => ({ at: START + day * DAY_MS, users: count })),
    START + users.length * DAY_MS - DAY_MS / 2,
  ];
}

const dayOf = (time: number) => (time - START) / DAY_MS;

describe('the forecast of the sunset', () => {
  it('names the day on which a steady fall reaches zero, and the users that are left until then', () => {
    const forecast = forecastOf(...daysWith(100, 95, 90, 85, 80, 75, 70));
    if (forecast.outcome !== 'date') throw new Error(forecast.outcome);
    expect(dayOf(forecast.at)).toBeCloseTo(20, 5);
    expect(dayOf(forecast.earliest)).toBeCloseTo(20, 5);
    expect(dayOf(forecast.latest)).toBeCloseTo(20, 5);
    expect(forecast.usersAt(START + 10 * DAY_MS)).toBe(50);
    expect(forecast.usersAt(START + 30 * DAY_MS)).toBe(0);
  });

  it('has an interval that is as wide as the figures are uneven', () => {
    const forecast = forecastOf(...daysWith(100, 91, 93, 80, 84, 71, 73, 66));
    if (forecast.outcome !== 'date') throw new Error(forecast.outcome);
    expect(forecast.earliest).toBeLessThan(forecast.at);
    expect(forecast.latest).toBeGreaterThan(forecast.at);
    expect(forecast.latest - forecast.at).toBeGreaterThan(forecast.at - forecast.earliest);
  });

  it.each([
    [[], 'too_few_days'],
    [[9, 8, 7, 6], 'too_few_days'],
    [[50, 50, 50, 50, 50], 'not_falling'],
    [[50, 60, 70, 80, 90], 'not_falling'],
    [[50, 20, 80, 10, 70, 30], 'not_falling'],
    [[100_000, 99_999, 99_998, 99_997, 99_996], 'far_away'],
    [[30, 20, 10, 5, 0], 'nobody'],
  ])('tells no date for %j: %s', (users, outcome) => {
    expect(forecastOf(...daysWith(...users)).outcome).toBe(outcome);
  });

  it('never names a day in the past, and an interval always contains its date', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: 14 }), (users) => {
        const [days, now] = daysWith(...users);
        const forecast = forecastOf(days, now);
        if (forecast.outcome !== 'date') return;
        expect(forecast.earliest).toBeGreaterThanOrEqual(now);
        expect(forecast.at).toBeGreaterThanOrEqual(forecast.earliest);
        expect(forecast.latest).toBeGreaterThanOrEqual(forecast.at);
      }),
    );
  });

  it.each([
    [10, 50],
    [19, 5],
    [21, undefined],
    [6, undefined],
  ])('says how many users a sunset on day %i reaches: %j', (day, left) => {
    const [days, now] = daysWith(100, 95, 90, 85, 80, 75, 70);
    const sunset = new Date(START + day * DAY_MS).toISOString();
    expect(leftAt(forecastOf(days, now), sunset, now)).toBe(left);
    expect(leftAt(forecastOf(days, now), null, now)).toBeUndefined();
  });

  it('counts whole days after the first request, whose day is not whole', () => {
    const scheme = (requests: number, users: number) => ({ requests, users });
    const bucket = (day: number, hours: number, session: [number, number]) => ({
      from: new Date(START + day * DAY_MS).toISOString(),
      to: new Date(START + day * DAY_MS + hours * 3_600_000).toISOString(),
      schemes: { session: scheme(...session), bearer: scheme(0, 0) },
    });
    const buckets = [
      bucket(0, 24, [0, 0]),
      bucket(1, 24, [9, 3]),
      bucket(2, 24, [0, 0]),
      bucket(3, 7, [5, 2]),
    ];
    const usersIn = (days: unknown[]) => daysIn({ buckets: days } as never).map(({ users }) => users);
    expect(usersIn(buckets)).toEqual([0]);
    // The requests began before the report.
    expect(usersIn(buckets.slice(1))).toEqual([3, 0]);
  });
});
