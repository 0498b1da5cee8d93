/** Neighbouring bins differ by this factor, so that no estimate is off by more than (γ − 1) / (γ + 1), which is below 5 %. */
const GAMMA = 1.1;
const LOG_GAMMA = Math.log(GAMMA);

/** Milliseconds: what is shorter or longer counts as these. The bins between them are 182. */
const SHORTEST = 0.1;
const LONGEST = 3_600_000;

/** Counts by bin. Bins are the same everywhere, so histograms are added up by adding the counts. */
export type LatencyBins = ReadonlyMap<number, number>;

/** The bin of a duration in milliseconds: bin i holds (γ^(i−1), γ^i]. */
export function binOf(milliseconds: number): number {
  return Math.ceil(Math.log(Math.min(Math.max(milliseconds, SHORTEST), LONGEST)) / LOG_GAMMA);
}

/**
 * The duration in milliseconds that the share `q` of all is no longer than (nearest rank), within 5 % of the exact one for
 * durations from 0.1 ms to an hour. Null of nothing.
 */
export function quantile(bins: LatencyBins, q: number): number | null {
  const sorted = [...bins].toSorted(([a], [b]) => a - b);
  const total = sorted.reduce((sum, [, count]) => sum + count, 0);
  let left = Math.max(1, Math.ceil(q * total));
  for (const [bin, count] of sorted) {
    left -= count;
    // More digits than four would be made up.
    if (left <= 0) return Number(((2 * GAMMA ** bin) / (GAMMA + 1)).toPrecision(4));
  }
  return null;
}
