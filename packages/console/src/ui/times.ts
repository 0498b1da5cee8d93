const UNITS = [
  ['day', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
] as const;

/** A duration in its largest unit: `45 s`, `3 min`, `2 days`. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const [unit, size] = UNITS.find(([, length]) => seconds >= length) ?? UNITS[3];
  const count = Math.floor(seconds / size);
  return `${count} ${unit}${unit === 'day' && count !== 1 ? 's' : ''}`;
}

/** `now`, `3 min ago` or `in 2 days`. */
export function relative(time: number, now: number): string {
  const distance = time - now;
  if (Math.abs(distance) < 1_500) return 'now';
  return distance < 0 ? `${duration(-distance)} ago` : `in ${duration(distance)}`;
}

const DATE_TIME = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});
const DATE = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** 24 Nov 2026, 09:30:00, in the reader's zone. */
export const dateTime = (time: string | number) => DATE_TIME.format(new Date(time));
/** 24 Nov 2026 */
export const date = (time: string | number) => DATE.format(new Date(time));
/** 09:30:00 */
export const clock = (time: string | number) => CLOCK.format(new Date(time));
