import cluster from 'node:cluster';
import { Injectable } from '@nestjs/common';
import { AggregatorRegistry, Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import { SiblingMetrics } from '../cluster/sibling-metrics.js';
import { DurationHistogram } from './duration-histogram.js';
import type { DurationSeries } from './duration-histogram.js';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/**
 * What Prometheus is told. Labels are patterns and classes, never what a client sent. Under a supervisor whichever worker is
 * asked answers for all of them, each with its own `worker` label.
 */
@Injectable()
export class Metrics {
  private readonly registry = new Registry();
  private readonly durations = new DurationHistogram(
    'http_request_duration_seconds',
    'Time to answer, by method, route and class of status',
    this.registry,
  );
  /** By method, route and class: as many as there are of those. */
  private readonly series = new Map<string, DurationSeries>();

  private readonly siblings = new SiblingMetrics(() => this.registry.getMetricsAsJSON());

  constructor() {
    collectDefaultMetrics({ register: this.registry });
    this.countRequests();
    if (cluster.isWorker) this.registry.setDefaultLabels({ worker: cluster.worker!.id });
  }

  /** `route` is the pattern; undefined for requests that reached none. */
  answered(method: string, route: string | undefined, status: number, seconds: number): void {
    const key = `${method} ${route} ${Math.trunc(status / 100)}`;
    let series = this.series.get(key);
    if (series === undefined) {
      series = this.durations.open({
        method: METHODS.has(method) ? method : 'other',
        route: route ?? 'none',
        status: `${Math.trunc(status / 100)}xx`,
      });
      this.series.set(key, series);
    }
    series.observe(seconds);
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
  histogram(name: string, help: string): DurationHistogram {
    return new DurationHistogram(name, help, this.registry);
  }

  /** The text exposition format. */
  async text(): Promise<string> {
    if (!cluster.isWorker) return this.registry.metrics();
    return AggregatorRegistry.aggregate([...(await this.siblings.all())]).metrics();
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** As many as have a duration. */
  private countRequests(): void {
    const { series } = this.durations;
    new Counter({
      name: 'http_requests_total',
      help: 'Requests answered, by method, route and class of status',
      labelNames: ['method', 'route', 'status'],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { labels, count } of series) this.inc(labels, count);
      },
    });
  }
}
