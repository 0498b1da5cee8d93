import type { Proportion } from './two-proportions.js';

/** The quantile of the normal distribution for 95 per cent. */
const Z = 1.959_963_984_540_054;

/** The difference of two rates, and its 95 per cent confidence interval. */
export interface Difference {
  readonly difference: number;
  readonly low: number;
  readonly high: number;
}

/**
 * The rate of `sample` minus that of `control`, with Newcombe's hybrid score interval (1998, method 10), which also holds for rare events.
 * Undefined without trials.
 */
export function differenceOf(sample: Proportion, control: Proportion): Difference | undefined {
  if (sample.trials === 0 || control.trials === 0) return undefined;
  const [a, b] = [wilson(sample), wilson(control)];
  const difference = a.rate - b.rate;
  return {
    difference,
    low: difference - Math.hypot(a.rate - a.low, b.high - b.rate),
    high: difference + Math.hypot(a.high - a.rate, b.rate - b.low),
  };
}

/** Wilson's score interval of a rate. */
function wilson({ hits, trials }: Proportion): { rate: number; low: number; high: number } {
  const rate = hits / trials;
  const square = (Z * Z) / trials;
  const middle = (rate + square / 2) / (1 + square);
  const half = (Z / (1 + square)) * Math.sqrt((rate * (1 - rate)) / trials + square / (4 * trials));
  // Rounding must not exclude the rate itself.
  return {
    rate,
    low: Math.max(0, Math.min(rate, middle - half)),
    high: Math.min(1, Math.max(rate, middle + half)),
  };
}
