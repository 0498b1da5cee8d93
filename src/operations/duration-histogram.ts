import type { Metric, Registry } from 'prom-client';

/** Upper bounds of the buckets, in seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5] as const;

/** The durations under one set of labels. */
export class DurationSeries {
  count = 0;
  private sum = 0;
  /** Of each bucket alone; what is longer than the last bound is in `count` only. */
  private readonly counts: number[] = BUCKETS.map(() => 0);

  constructor(readonly labels: Readonly<Record<string, string>>) {}

  observe(seconds: number): void {
    this.count += 1;
    this.sum += seconds;
    const bucket = BUCKETS.findIndex((bound) => seconds <= bound);
    if (bucket !== -1) this.counts[bucket]! += 1;
  }

  /** As the exposition has them: buckets are cumulative. */
  values(name: string) {
    let upTo = 0;
    const bucket = (le: number | string, value: number) => ({
      metricName: `${name}_bucket`,
      labels: { le, ...this.labels },
      value,
    });
    return [
      ...BUCKETS.map((bound, index) => bucket(bound, (upTo += this.counts[index]!))),
      bucket('+Inf', this.count),
      { metricName: `${name}_sum`, labels: this.labels, value: this.sum },
      { metricName: `${name}_count`, labels: this.labels, value: this.count },
    ];
  }
}

/**
 * A histogram of durations in seconds, for a prom-client registry. Its own looks every observation's labels up again, which costs more
 * than all else that is counted of a request: here whoever counts keeps the series.
 */
export class DurationHistogram {
  readonly series: DurationSeries[] = [];

  constructor(
    readonly name: string,
    readonly help: string,
    registry: Registry,
  ) {
    registry.registerMetric(this as unknown as Metric);
  }

  /** The series of these labels, which are not asked for twice: words of ours, never what a client sent. */
  open(labels: Readonly<Record<string, string>>): DurationSeries {
    const series = new DurationSeries(labels);
    this.series.push(series);
    return series;
  }

  /** What a registry asks a metric for. */
  get(): Promise<object> {
    const values = this.series.flatMap((series) => series.values(this.name));
    return Promise.resolve({
      name: this.name,
      help: this.help,
      type: 'histogram',
      aggregator: 'sum',
      values,
    });
  }
}
