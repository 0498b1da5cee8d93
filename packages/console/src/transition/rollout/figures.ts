import { number, percent } from '../../ui/text.js';

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
    hint: 'Logins that were refused although nobody ended them',
  },
  p95_ms: { label: 'Time of an answer, p95', hint: '95 % of the answers are faster' },
  users: { label: 'Users', hint: 'Users with at least one accepted request' },
};

/** A value in its unit; a dash if there is none. */
export function valueOf(name: string, value: number | null): string {
  if (value === null) return '–';
  if (name === 'users') return number(value);
  if (name === 'p95_ms')
    return `${value > 0 && value < 10 ? value.toFixed(1) : number(Math.round(value))} ms`;
  return percent(value);
}

/** `+0.12 %`: tokens against sessions. */
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
