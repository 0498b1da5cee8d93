import cluster from 'node:cluster';
import type { Worker } from 'node:cluster';
import type { Registry } from 'prom-client';

/** How long a worker may take to say what it has counted, in milliseconds. */
const PATIENCE = 1_000;

type Metrics = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

type Message =
  | { readonly kind: 'metrics-wanted'; readonly id: number }
  | { readonly kind: 'metrics-of-one'; readonly id: number; readonly metrics?: Metrics }
  | { readonly kind: 'metrics-of-all'; readonly id: number; readonly all: readonly Metrics[] };

function isMessage(message: unknown): message is Message {
  return typeof message === 'object' && message !== null && 'kind' in message;
}

/**
 * A worker's way to the metrics of the workers beside it: whichever of them Prometheus reaches answers for all. Without a
 * supervisor there are none.
 */
export class SiblingMetrics {
  private readonly wanted = new Map<number, (all: readonly Metrics[]) => void>();
  private count = 0;

  constructor(private readonly own: () => Promise<Metrics>) {
    if (!cluster.isWorker) return;
    process.on('message', (message) => {
      if (!isMessage(message)) return;
      if (message.kind === 'metrics-of-one') void this.tell(message.id);
      if (message.kind === 'metrics-of-all') this.wanted.get(message.id)?.(message.all);
    });
  }

  /** Those of all workers that answered in time, this one's among them. */
  async all(): Promise<readonly Metrics[]> {
    if (!cluster.isWorker || !process.connected) return [await this.own()];
    const id = ++this.count;
    const { promise, resolve } = Promise.withResolvers<readonly Metrics[] | undefined>();
    const timer = setTimeout(resolve, 2 * PATIENCE, undefined);
    this.wanted.set(id, resolve);
    process.send!({ kind: 'metrics-wanted', id } satisfies Message);
    try {
      return (await promise) ?? [await this.own()];
    } finally {
      clearTimeout(timer);
      this.wanted.delete(id);
    }
  }

  private async tell(id: number): Promise<void> {
    const metrics = await this.own();
    if (process.connected) process.send!({ kind: 'metrics-of-one', id, metrics } satisfies Message);
  }
}

/** The supervisor's part: asks all that serve when one of them wants to know. */
export class MetricsExchange {
  private readonly rounds = new Map<number, (metrics: Metrics) => void>();
  private count = 0;

  /** `serving`: the workers that can answer now. */
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
      const timer = setTimeout(resolve, PATIENCE);
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

/** Of a worker that is gone. */
function ignore(): void {}
