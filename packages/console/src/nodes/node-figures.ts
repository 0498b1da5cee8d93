import { number } from '../ui/text.js';

/** From this age of its knowledge on, a node accepts no token. */
export const STALE_AFTER_MS = 800;

/** `41 ms`, `2.4 s`, or a dash if nothing was measured. */
export function milliseconds(value: number | null): string {
  if (value === null) return '–';
  return value < 1_000 ? `${number(value)} ms` : `${(value / 1_000).toFixed(1)} s`;
}
