import { Histogram, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { DurationHistogram } from '../../../src/operations/duration-histogram.js';

const NAME = 'took_seconds';
const HELP = 'How long it took';
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

interface Value {
  readonly metricName: string;
  readonly labels: object;
  readonly value: number;
}

describe('DurationHistogram', () => {
  it('says what the histogram of prom-client says, to a scrape and to a supervisor', async () => {
    const [ours, theirs] = [new Registry(), new Registry()];
    const mine = new DurationHistogram(NAME, HELP, ours);
    const reference = new Histogram({
      name: NAME,
      help: HELP,
      labelNames: ['route', 'status'],
      buckets: BUCKETS,
      registers: [theirs],
    });
    const series = ['/a', '/b "quoted"'].map((route) => mine.open({ route, status: '2xx' }));
    for (const seconds of [0, 0.001, 0.0010001, 0.7, 5, 5.1, 60, ...BUCKETS])
      for (const one of series) {
        one.observe(seconds);
        reference.observe({ ...one.labels }, seconds);
      }
    expect(await ours.metrics()).toBe(await theirs.metrics());
    const [[{ values: got }], [{ values: wanted }]] = (await Promise.all([
      ours.getMetricsAsJSON(),
      theirs.getMetricsAsJSON(),
    ])) as unknown as [[{ values: Value[] }], [{ values: Value[] }]];
    const plain = (values: Value[]) =>
      values.map(({ metricName, labels, value }) => ({ metricName, labels, value }));
    expect(plain(got)).toEqual(plain(wanted));
  });

  it('has a series from its opening on, with nothing in it', async () => {
    const registry = new Registry();
    new DurationHistogram(NAME, HELP, registry).open({ scheme: 'bearer' });
    expect(await registry.metrics()).toContain(`${NAME}_count{scheme="bearer"} 0`);
  });
});
