import { describe, expect, it } from 'vitest';
import { binOf, quantile } from '../../../../src/transition/report/latency-histogram.js';

/** Log-uniform durations from a linear congruential generator: the same in every run. */
function durations(count: number): number[] {
  let state = 42;
  return Array.from({ length: count }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return 10 ** ((state / 2 ** 31) * 6 - 1);
  });
}

function binsOf(values: readonly number[]): Map<number, number> {
  const bins = new Map<number, number>();
  for (const value of values) bins.set(binOf(value), (bins.get(binOf(value)) ?? 0) + 1);
  return bins;
}

describe('the latency histogram', () => {
  it('estimates every quantile within 5 %', () => {
    const values = durations(5_000);
    const sorted = values.toSorted((a, b) => a - b);
    for (const q of [0, 0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1]) {
      const exact = sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]!;
      expect(Math.abs(quantile(binsOf(values), q)! - exact) / exact).toBeLessThan(0.05);
    }
  });

  it('estimates a single value within 5 % for any size', () => {
    for (let value = 0.1; value <= 3_600_000; value *= 1.037) {
      expect(Math.abs(quantile(binsOf([value]), 0.5)! - value) / value).toBeLessThan(0.05);
    }
  });

  it('is merged by adding the counts', () => {
    const [a, b] = [durations(300), durations(700).map((value) => value / 3)];
    const merged = binsOf(a);
    for (const [bin, n] of binsOf(b)) merged.set(bin, (merged.get(bin) ?? 0) + n);
    for (const q of [0.5, 0.95, 0.99]) expect(quantile(merged, q)).toBe(quantile(binsOf([...a, ...b]), q));
  });

  it('has a bounded number of bins for any durations', () => {
    const bins = new Set([...durations(5_000), 0, -1, 1e-9, 1e12, Infinity].map((value) => binOf(value)));
    expect(bins.size).toBeLessThan(190);
    expect(binOf(Infinity)).toBe(binOf(3_600_000));
    expect(binOf(0)).toBe(binOf(0.1));
  });

  it('has no quantiles when it is empty', () => {
    expect(quantile(new Map(), 0.5)).toBeNull();
  });
});
