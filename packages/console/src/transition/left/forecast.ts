import type { ReportDto } from '../../api/openapi.js';

const DAY_MS = 86_400_000;

/** Whole days that the forecast looks at: two weeks, because weekends differ from other days. */
const DAYS = 14;

/** Fewer days say nothing. */
export const FEWEST_DAYS = 5;

/** A date that is further away is not worth telling. */
const FURTHEST_MS = 730 * DAY_MS;

/** The 97.5 % quantiles of Student's t distribution, from 3 to 12 degrees of freedom. */
const T = [3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179];

/** The users with sessions on one whole day. */
export interface Day {
  /** The middle of the day. */
  readonly at: number;
  readonly users: number;
}

export type Forecast =
  | { readonly outcome: 'nobody' }
  | { readonly outcome: 'too_few_days'; readonly days: number }
  /** No fall that is distinguishable from chance. */
  | { readonly outcome: 'not_falling' }
  /** It falls too slowly or too unevenly to tell a date within two years. */
  | { readonly outcome: 'far_away' }
  /** When nobody is left, with a 95 % interval, how many users are left at a time, and the number of days that say so. */
  | {
      readonly outcome: 'date';
      readonly days: number;
      readonly at: number;
      readonly earliest: number;
      readonly latest: number;
      readonly usersAt: (time: number) => number;
    };

/** From when a report has all days that {@link daysIn} reads: one day more, because the first one and today are not whole. */
export function reportStart(now: number): string {
  return new Date((Math.floor(now / DAY_MS) - DAYS - 1) * DAY_MS).toISOString();
}

/**
 * The last whole days of a report whose buckets are days, the oldest first. Days before the first request are not data, and the day of the
 * first request is not whole.
 */
export function daysIn({ buckets }: Pick<ReportDto, 'buckets'>): Day[] {
  const whole = buckets.filter(({ from, to }) => Date.parse(to) - Date.parse(from) === DAY_MS);
  const first = whole.findIndex(({ schemes }) => schemes.session.requests + schemes.bearer.requests > 0);
  if (first === -1) return [];
  return whole
    .slice(first === 0 ? 0 : first + 1)
    .slice(-DAYS)
    .map(({ from, schemes }) => ({ at: Date.parse(from) + DAY_MS / 2, users: schemes.session.users ?? 0 }));
}

/**
 * When the number of users with sessions reaches zero if it continues to fall as on these days: a straight line by least squares, and Fieller's
 * interval for the point where it meets zero.
 */
export function forecastOf(days: readonly Day[], now: number): Forecast {
  const n = days.length;
  if (n < FEWEST_DAYS) return { outcome: 'too_few_days', days: n };
  if (days.at(-1)!.users === 0) return { outcome: 'nobody' };
  const meanAt = days.reduce((sum, { at }) => sum + at, 0) / n;
  const mean = days.reduce((sum, { users }) => sum + users, 0) / n;
  const x = days.map(({ at }) => (at - meanAt) / DAY_MS);
  const sxx = x.reduce((sum, value) => sum + value ** 2, 0);
  const slope = days.reduce((sum, { users }, index) => sum + x[index]! * (users - mean), 0) / sxx;
  const errors = days.reduce((sum, { users }, index) => sum + (users - mean - slope * x[index]!) ** 2, 0);
  const width = T[n - FEWEST_DAYS]! * Math.sqrt(errors / (n - 2));
  const g = width ** 2 / (slope ** 2 * sxx);
  if (slope >= 0 || g >= 1) return { outcome: 'not_falling' };
  const zero = -mean / slope;
  const spread = (width / -slope) * Math.sqrt(zero ** 2 / sxx + (1 - g) / n);
  const timeOf = (day: number) => meanAt + day * DAY_MS;
  const [at, latest] = [timeOf(zero), timeOf((zero + spread) / (1 - g))];
  if (latest - now > FURTHEST_MS) return { outcome: 'far_away' };
  return {
    outcome: 'date',
    days: n,
    at: Math.max(now, at),
    earliest: Math.max(now, timeOf((zero - spread) / (1 - g))),
    latest: Math.max(now, latest),
    usersAt: (time) => Math.max(0, Math.round(mean + (slope * (time - meanAt)) / DAY_MS)),
  };
}

/** How many users are left at a sunset; undefined if it has passed, or if nobody is left by then. */
export function leftAt(forecast: Forecast, sunset: string | null, now: number): number | undefined {
  if (forecast.outcome !== 'date' || sunset === null) return undefined;
  const at = Date.parse(sunset);
  return at > now && at < forecast.latest ? forecast.usersAt(at) : undefined;
}
