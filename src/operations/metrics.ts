import cluster from 'node:cluster';
import { Injectable } from '@nestjs/common';
import { AggregatorRegistry, Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { SiblingMetrics } from '../cluster/sibling-metrics.js';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5] as const;

interface Series {
  readonly count: { inc(): void };
  readonly duration: { observe(seconds: number): void };
}

/**
 * What Prometheus is told. Labels are patterns and classes, never what a client sent. Under a supervisor whichever worker is
 * asked answers for all of them, each with its own `worker` label.
 */
@Injectable()
export class Metrics {
  private readonly registry = new Registry();
  private readonly requests = new Counter({
    name: 'http_requests_total',
    help: 'Requests answered, by method, route and class of status',
    labelNames: ['method', 'route', 'status'],
    registers: [this.registry],
  });
  private readonly durations = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time to answer, by method, route and class of status',
    labelNames: ['method', 'route', 'status'],
    buckets: [...BUCKETS],
    registers: [this.registry],
  });
  /** Looking a label set up costs more than counting. As many as there are routes, methods and classes. */
  private readonly series = new Map<string, Series>();

  private readonly siblings = new SiblingMetrics(() => this.registry.getMetricsAsJSON());

  constructor() {
    collectDefaultMetrics({ register: this.registry });
    if (cluster.isWorker) this.registry.setDefaultLabels({ worker: cluster.worker!.id });
  }

  /** `route` is the pattern; undefined for requests that reached none. */
  answered(method: string, route: string | undefined, status: number, seconds: number): void {
    const key = `${method} ${route} ${Math.trunc(status / 100)}`;
    let series = this.series.get(key);
    if (series === undefined) {
      const labels = {
        method: METHODS.has(method) ? method : 'other',
        route: route ?? 'none',
        status: `${Math.trunc(status / 100)}xx`,
      };
      series = { count: this.requests.labels(labels), duration: this.durations.labels(labels) };
      this.series.set(key, series);
    }
    series.count.inc();
    series.duration.observe(seconds);
  }

  /** A figure that is read when Prometheus asks. */
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

  /** The same figure of several things, by the value of one label. */
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

  /** A figure of a feature that only grows. Label values must be few: words of ours, never what a client sent. */
  counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  /** Durations of a feature, in seconds. As for labels, see {@link counter}. */
  histogram<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
  ): Histogram<Label> {
    return new Histogram({ name, help, labelNames, buckets: [...BUCKETS], registers: [this.registry] });
  }

  /** The text exposition format. */
  async text(): Promise<string> {
    if (!cluster.isWorker) return this.registry.metrics();
    return AggregatorRegistry.aggregate([...(await this.siblings.all())]).metrics();
  }

  get contentType(): string {
    return this.registry.contentType;
  }
}
