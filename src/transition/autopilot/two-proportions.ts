/** `hits` of `trials`. */
export interface Proportion {
  readonly hits: number;
  readonly trials: number;
}

/**
 * The one-sided p-value of Fisher's exact test: the probability that `sample` gets at least this number of all hits in both samples, if
 * hits are equally likely in both. It is exact for samples of any size. Normal approximations report too many differences if hits are
 * rare.
 */
export function fisherOneSided(sample: Proportion, control: Proportion): number {
  const drawn = sample.trials;
  const population = sample.trials + control.trials;
  const marked = sample.hits + control.hits;
  const least = Math.max(0, drawn - (population - marked));
  const most = Math.min(drawn, marked);
  if (sample.hits <= least) return 1;
  // Use the shorter of the two sums, so that small probabilities keep their precision.
  if (sample.hits > (drawn * marked) / population) return Math.min(1, upward(sample.hits, most));
  return Math.max(0, 1 - downward(sample.hits - 1, least));

  function upward(from: number, to: number): number {
    let term = at(from);
    let sum = term;
    for (let hits = from; hits < to && term > sum * Number.EPSILON; hits += 1) {
      term *= ((marked - hits) * (drawn - hits)) / ((hits + 1) * (population - marked - drawn + hits + 1));
      sum += term;
    }
    return sum;
  }

  function downward(from: number, to: number): number {
    let term = at(from);
    let sum = term;
    for (let hits = from; hits > to && term > sum * Number.EPSILON; hits -= 1) {
      term *= (hits * (population - marked - drawn + hits)) / ((marked - hits + 1) * (drawn - hits + 1));
      sum += term;
    }
    return sum;
  }

  /** The hypergeometric probability of exactly this number of hits. */
  function at(hits: number): number {
    return Math.exp(
      logChoose(marked, hits) + logChoose(population - marked, drawn - hits) - logChoose(population, drawn),
    );
  }
}

function logChoose(n: number, k: number): number {
  return logFactorial(n) - logFactorial(k) - logFactorial(n - k);
}

/** From here on Stirling's series (DLMF 5.11.1) is exact to double precision. */
const SERIES_FROM = 32;

const SMALL = Array.from({ length: SERIES_FROM }, () => 0);
for (let n = 2; n < SERIES_FROM; n += 1) SMALL[n] = SMALL[n - 1]! + Math.log(n);

function logFactorial(n: number): number {
  if (n < SERIES_FROM) return SMALL[n]!;
  const x = n + 1;
  const inverse = 1 / x;
  const square = inverse * inverse;
  const series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)));
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series;
}
