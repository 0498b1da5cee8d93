import cluster from 'node:cluster';
import type { Worker } from 'node:cluster';
import type { Registry } from 'prom-client';

/** How long to wait for the workers' answers. */
const TIMEOUT_MS = 1_000;

type Metrics = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

type Message =
  | { readonly kind: 'metrics-wanted'; readonly id: number }
  | { readonly kind: 'metrics-of-one'; readonly id: number; readonly metrics?: Metrics }
  | { readonly kind: 'metrics-of-all'; readonly id: number; readonly all: readonly Metrics[] };

function isMessage(message: unknown): message is Message {
  return typeof message === 'object' && message !== null && 'kind' in message;
}

/**
 * Collects the metrics of all workers, so that Prometheus can scrape any of them. The `clusterMetrics` of prom-client fails if one worker
 * does not answer, for example because it is starting. This class asks only the serving workers and uses the answers that arrive in time.
 */
export class SiblingMetrics {
  private readonly pending = new Map<number, (all: readonly Metrics[]) => void>();
  private count = 0;

  constructor(private readonly own: () => Promise<Metrics>) {
    if (!cluster.isWorker) return;
    process.on('message', (message) => {
      if (!isMessage(message)) return;
      if (message.kind === 'metrics-of-one') void this.reply(message.id);
      if (message.kind === 'metrics-of-all') this.pending.get(message.id)?.(message.all);
    });
  }

  /** The metrics of all workers that answered in time, including this one. */
  async all(): Promise<readonly Metrics[]> {
    if (!cluster.isWorker || !process.connected) return [await this.own()];
    const id = ++this.count;
    const { promise, resolve } = Promise.withResolvers<readonly Metrics[] | undefined>();
    const timer = setTimeout(resolve, 2 * TIMEOUT_MS, undefined);
    this.pending.set(id, resolve);
    process.send!({ kind: 'metrics-wanted', id } satisfies Message);
    try {
      return (await promise) ?? [await this.own()];
    } finally {
      clearTimeout(timer);
      this.pending.delete(id);
    }
  }

  private async reply(id: number): Promise<void> {
    const metrics = await this.own();
    if (process.connected) process.send!({ kind: 'metrics-of-one', id, metrics } satisfies Message);
  }
}

/** The supervisor's side: when one worker asks for metrics, it asks all serving workers and returns their answers. */
export class MetricsExchange {
  private readonly rounds = new Map<number, (metrics: Metrics) => void>();
  private count = 0;

  constructor(private readonly serving: () => Worker[]) {}

  receive(from: Worker, message: unknown): void {
    if (!isMessage(message)) return;
    if (message.kind === 'metrics-wanted') void this.answer(from, message.id);
    if (message.kind === 'metrics-of-one' && message.metrics !== undefined)
      this.rounds.get(message.id)?.(message.metrics);
  }

  private async answer(asker: Worker, id: number): Promise<void> {
    const round = ++this.count;
    const asked = this.serving();
    const all: Metrics[] = [];
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, TIMEOUT_MS);
      this.rounds.set(round, (metrics) => {
        if (all.push(metrics) < asked.length) return;
        clearTimeout(timer);
        resolve();
      });
      for (const worker of asked)
        worker.send({ kind: 'metrics-of-one', id: round } satisfies Message, ignore);
    });
    this.rounds.delete(round);
    asker.send({ kind: 'metrics-of-all', id, all } satisfies Message, ignore);
  }
}

/** The worker has exited in the meantime. */
function ignore(): void {}
