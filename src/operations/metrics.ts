import cluster from 'node:cluster';
import { Injectable } from '@nestjs/common';
import { AggregatorRegistry, Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { SiblingMetrics } from '../cluster/sibling-metrics.js';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

const REQUEST_LABELS = ['method', 'route', 'status'] as const;

/** Upper bounds of the buckets of every duration, in seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/**
 * The Prometheus metrics. Labels are route patterns and status classes, never client data. Under a supervisor, the worker that is scraped
 * returns the metrics of all workers, each with its own `worker` label.
 */
@Injectable()
export class Metrics {
  private readonly registry = new Registry();
  private readonly durations = this.histogram(
    'http_request_duration_seconds',
    'Response time by method, route and status class',
    REQUEST_LABELS,
  );
  private readonly siblings = new SiblingMetrics(() => this.registry.getMetricsAsJSON());

  constructor() {
    collectDefaultMetrics({ register: this.registry });
    this.countRequests();
    if (cluster.isWorker) this.registry.setDefaultLabels({ worker: cluster.worker!.id });
  }

  /** Records an answered request. `route` is the route pattern; undefined if no route matched. */
  answered(method: string, route: string | undefined, status: number, seconds: number): void {
    const labels = {
      method: METHODS.has(method) ? method : 'other',
      route: route ?? 'none',
      status: `${Math.trunc(status / 100)}xx`,
    };
    this.durations.observe(labels, seconds);
  }

  /** Adds a gauge whose value is read at each scrape. */
  gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }

  /** Adds a gauge with one label. `read` returns the value of each label value. */
  gauges(name: string, help: string, label: string, read: () => Readonly<Record<string, number>>): void {
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers: [this.registry],
      collect() {
        for (const [value, figure] of Object.entries(read())) this.set({ [label]: value }, figure);
      },
    });
  }

  /** Adds a counter with one label whose values another part counts. `read` returns the count of each label value. */
  counters(name: string, help: string, label: string, read: () => Readonly<Record<string, number>>): void {
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [value, count] of Object.entries(read())) this.inc({ [label]: value }, count);
      },
    });
  }

  /** Adds a counter without labels that another part counts. */
  total(name: string, help: string, read: () => number): void {
    new Counter({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }

  /** Adds a counter. It must have few label values, and none that a client sent. */
  counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  /** Adds a histogram of durations in seconds. The rule of {@link counter} for labels applies. */
  histogram<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
  ): Histogram<Label> {
    return new Histogram({ name, help, labelNames, buckets: BUCKETS, registers: [this.registry] });
  }

  /** All metrics in the text exposition format. */
  async text(): Promise<string> {
    if (!cluster.isWorker) return this.registry.metrics();
    return AggregatorRegistry.aggregate([...(await this.siblings.all())]).metrics();
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** The counter is derived from the histogram, so that each request looks up its labels only once. */
  private countRequests(): void {
    const { durations } = this;
    new Counter({
      name: 'http_requests_total',
      help: 'Answered requests by method, route and status class',
      labelNames: REQUEST_LABELS,
      registers: [this.registry],
      async collect() {
        this.reset();
        const { name, values } = await durations.get();
        for (const { metricName, labels, value } of values)
          if (metricName === `${name}_count`) this.inc(labels, value);
      },
    });
  }
}
