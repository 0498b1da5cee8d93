import { ROUNDS } from './settings.mjs';

export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

export const round = (value) => (value >= 100 ? Math.round(value) : Number(value.toPrecision(3)));

/**
 * Measures yardstick and service in turn, A B A B, and takes the ratio pair by pair: what slows the machine down meanwhile
 * slows both.
 *
 * @param {{ group: string, what: string, to: string, unit?: string, atLeast?: number, atMost?: number,
 *   yardstick: () => Promise<number>, measured: () => Promise<number>, rounds?: number }} measure
 */
export async function compare({ yardstick, measured, rounds = ROUNDS, unit = '1/s', ...row }) {
  const pairs = [];
  for (let index = 0; index < rounds; index++) pairs.push([await yardstick(), await measured()]);
  const ratios = pairs.map(([base, value]) => value / base);
  return {
    ...row,
    unit,
    yardstick: round(median(pairs.map(([base]) => base))),
    measured: round(median(pairs.map(([, value]) => value))),
    ratio: round(median(ratios)),
    low: round(Math.min(...ratios)),
    high: round(Math.max(...ratios)),
  };
}

/** A figure without a yardstick: its median and its extremes. */
export function figure(row, values) {
  return {
    unit: '',
    ...row,
    measured: round(median(values)),
    low: round(Math.min(...values)),
    high: round(Math.max(...values)),
  };
}
