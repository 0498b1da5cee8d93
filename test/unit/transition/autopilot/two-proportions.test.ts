import jstat from 'jstat';
import { describe, expect, it } from 'vitest';
import { fisherOneSided } from '../../../../src/transition/autopilot/two-proportions.js';
import { seeded } from './scripted.js';

const { jStat } = jstat;

/** P(X ≥ hits), by another library. */
function reference(hits: number, trials: number, otherHits: number, otherTrials: number): number {
  return 1 - jStat.hypgeom.cdf(hits - 1, trials + otherTrials, hits + otherHits, trials);
}

function p(hits: number, trials: number, otherHits: number, otherTrials: number): number {
  return fisherOneSided({ hits, trials }, { hits: otherHits, trials: otherTrials });
}

describe('Fisher’s exact test, one-sided', () => {
  it('matches values from the literature', () => {
    // The lady tasting tea: all four cups right has a chance of 1 in 70, three or more of 17 in 70.
    expect(p(4, 4, 0, 4)).toBeCloseTo(1 / 70, 12);
    expect(p(3, 4, 1, 4)).toBeCloseTo(17 / 70, 12);
    expect(p(0, 10, 5, 10)).toBe(1);
  });

  it('agrees with a reference implementation', () => {
    const random = seeded(20_270_110);
    const below = (n: number) => Math.floor(random() * n);
    for (let round = 0; round < 2_000; round += 1) {
      const [trials, otherTrials] = [1 + below(400), 1 + below(400)];
      const [hits, otherHits] = [below(trials + 1), below(otherTrials + 1)];
      const expected = hits === 0 ? 1 : reference(hits, trials, otherHits, otherTrials);
      expect(Math.abs(p(hits, trials, otherHits, otherTrials) - expected)).toBeLessThan(1e-9);
    }
  });

  it('approaches the normal approximation when hits are frequent', () => {
    const [hits, trials, otherHits, otherTrials] = [10_250, 1_000_000, 90_000, 9_000_000];
    const pooled = (hits + otherHits) / (trials + otherTrials);
    const error = Math.sqrt(pooled * (1 - pooled) * (1 / trials + 1 / otherTrials));
    const z = (hits / trials - otherHits / otherTrials - 0.5 / trials) / error;
    const approximate = 1 - jStat.normal.cdf(z, 0, 1);
    expect(p(hits, trials, otherHits, otherTrials) / approximate).toBeCloseTo(1, 1);
  });

  it('keeps the precision of small probabilities, and is at most 1', () => {
    expect(p(20, 20, 0, 20)).toBeCloseTo(1 / 137_846_528_820, 20);
    expect(p(60, 100, 1, 10_000)).toBeGreaterThan(0);
    expect(p(60, 100, 1, 10_000)).toBeLessThan(1e-100);
    expect(p(1_000, 1_000, 0, 1_000_000)).toBe(0);
    for (const [hits, trials] of [
      [0, 0],
      [0, 5],
      [5, 5],
    ] as const)
      expect(p(hits, trials, hits, trials)).toBeLessThanOrEqual(1);
  });
});
