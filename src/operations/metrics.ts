import { Injectable } from '@nestjs/common';
import { Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** What Prometheus is told. Labels are patterns and classes, never what a client sent. */
@Injectable()
export class Metrics {
  private readonly registry = new Registry();
  private readonly requests = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Requests answered, by method, route and class of status',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers: [this.registry],
  });
  /** Looking a label set up costs more than the observation. As many as there are routes, methods and classes. */
  private readonly children = new Map<string, { observe(seconds: number): void }>();

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  answered(method: string, route: string | undefined, status: number, seconds: number): void {
    const known = route === undefined || route === '/*' || route === '*' ? 'none' : route;
    const key = `${method} ${known} ${Math.trunc(status / 100)}`;
    let child = this.children.get(key);
    if (child === undefined) {
      child = this.requests.labels(method, known, `${Math.trunc(status / 100)}xx`);
      this.children.set(key, child);
    }
    child.observe(seconds);
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

  /** The text exposition format. */
  text(): Promise<string> {
    return this.registry.metrics();
  }

  get contentType(): string {
    return this.registry.contentType;
  }
}
