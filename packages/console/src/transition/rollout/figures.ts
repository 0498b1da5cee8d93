import type { ComparisonDto } from '../../api/openapi.js';
import { number, percent } from '../../ui/text.js';
import { dateTime } from '../../ui/times.js';

export type FigureName = 'errors' | 'unexpected_logouts' | 'p95_ms' | 'users';

/** A figure of both schemes, as the service compares it. */
interface Figure {
  readonly figure: string;
  readonly tokens: number | null;
  readonly sessions: number | null;
  readonly difference: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

export const FIGURES: Readonly<Record<FigureName, { readonly label: string; readonly hint: string }>> = {
  errors: { label: 'Errors', hint: 'Share of the requests that the service failed to answer' },
  unexpected_logouts: {
    label: 'Unexpected logouts',
    hint: 'Valid credentials that were refused although nobody revoked them',
  },
  p95_ms: { label: 'Response time, p95', hint: '95 % of the responses are faster' },
  users: { label: 'Users', hint: 'Users with at least one accepted request' },
};

/** Formats a value with its unit, or a dash if there is none. */
export function valueOf(name: string, value: number | null): string {
  if (value === null) return '–';
  if (name === 'users') return number(value);
  if (name === 'p95_ms')
    return `${value > 0 && value < 10 ? value.toFixed(1) : number(Math.round(value))} ms`;
  return percent(value);
}

/** Describes the chart for screen readers: the period, and the latest numbers that are known. */
export function describeChart(name: FigureName, buckets: ComparisonDto['buckets']): string {
  const [first, last] = [buckets[0], buckets.at(-1)];
  if (first === undefined || last === undefined) return `${FIGURES[name].label}: no data yet`;
  const latest = (scheme: 'tokens' | 'sessions') => {
    const values = buckets.map(({ figures }) => figures.find(({ figure }) => figure === name)?.[scheme]);
    const value = values.findLast((one) => one != null);
    return value == null ? `no data for ${scheme}` : `${valueOf(name, value)} with ${scheme}`;
  };
  const period = `from ${dateTime(first.from)} to ${dateTime(last.to)}`;
  return `${FIGURES[name].label} over time, ${period}. Latest: ${latest('tokens')}, ${latest('sessions')}`;
}

/** Returns how much more tokens have than sessions, such as `+0.12 %`. */
export function differenceOf({ figure, difference }: Figure): string {
  if (difference === null) return 'No difference yet';
  return signed(figure, difference);
}

/** The range in which the true difference lies with 95 % probability. */
export function intervalOf({ figure, low, high }: Figure): string {
  return low === null || high === null ? '' : `(${signed(figure, low)} to ${signed(figure, high)})`;
}

function signed(name: string, value: number): string {
  return `${value > 0 ? '+' : value < 0 ? '−' : '±'}${valueOf(name, Math.abs(value))}`;
}
