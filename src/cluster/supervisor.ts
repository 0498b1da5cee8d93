import cluster from 'node:cluster';
import type { Worker } from 'node:cluster';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import type { Logger } from 'pino';
import { agree, counted } from '../common/text.js';
import { startupBanner } from '../common/logging/startup-banner.js';
import { logOutput } from '../common/logging/logging.module.js';
import { writeStartFaults } from '../common/logging/process-output.js';
import type { StartFaults } from '../common/logging/process-output.js';
import type { Config } from '../config/config.js';
import { configWarnings } from '../config/config-warnings.js';
import { MetricsExchange } from './sibling-metrics.js';

/** How long workers may take to stop before they are killed. It is a little longer than their own timeout. */
const STOP_TIMEOUT_MS = 14_000;

/** The back-off of restarts. A worker that has served for `STABLE_AFTER_MS` resets it. */
const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 30_000;
const STABLE_AFTER_MS = 30_000;

/** Exponential back-off: the delay doubles each time a worker crashes before it is stable. */
export class RestartDelay {
  private next = FIRST_DELAY_MS;

  /** `served`: how long the crashed worker served, in milliseconds; 0 if it never started to serve. */
  after(served: number): number {
    if (served >= STABLE_AFTER_MS) this.next = FIRST_DELAY_MS;
    const delay = this.next;
    this.next = Math.min(MAX_DELAY_MS, delay * 2);
    return delay;
  }
}

/** Holds one worker and its successors. */
interface Slot {
  worker: Worker | undefined;
  /** When the worker started to listen, on the monotonic clock. */
  listeningSince: number | undefined;
  timer: NodeJS.Timeout | undefined;
  readonly delay: RestartDelay;
}

/**
 * Runs `config.workers` nodes on one port, each in its own process. Connections are distributed round-robin. A crashed worker is restarted
 * with exponential back-off. Workers are ordinary nodes that share only the database. If the supervisor is killed, its workers stop too.
 */
export class Supervisor {
  private readonly logger: Logger;
  private readonly slots: readonly Slot[];
  private readonly exchange = new MetricsExchange(() => this.serving());
  private ready = false;
  private reported = false;
  private stopping = false;

  /** Calls `fail` with the exit code of a worker that exits before all workers have served once. */
  constructor(
    private readonly config: Config,
    private readonly fail: (code: number) => void,
  ) {
    this.logger = pino({ level: config.logLevel }, logOutput(config));
    this.slots = Array.from({ length: config.workers }, () => ({
      worker: undefined,
      listeningSince: undefined,
      timer: undefined,
      delay: new RestartDelay(),
    }));
  }

  start(): void {
    cluster.on('message', (worker, message: unknown) => {
      if (isStartFaults(message)) this.report(message.faults);
      else this.exchange.receive(worker, message);
    });
    for (const slot of this.slots) this.fork(slot);
  }

  /** Stops the workers gracefully. Resolves when all have exited. */
  async stop(): Promise<void> {
    this.stopping = true;
    const workers = this.slots.flatMap(({ worker }) => worker ?? []);
    for (const { timer } of this.slots) clearTimeout(timer);
    const exits = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
    for (const worker of workers) worker.process.kill('SIGTERM');
    const killTimer = setTimeout(() => {
      for (const worker of workers) worker.process.kill('SIGKILL');
    }, STOP_TIMEOUT_MS);
    await Promise.all(exits);
    clearTimeout(killTimer);
  }

  private fork(slot: Slot): void {
    const worker = cluster.fork();
    closeUndelivered(worker);
    slot.worker = worker;
    worker.once('listening', (address) => {
      slot.listeningSince = performance.now();
      this.onListening(address);
    });
    worker.once('exit', (code, signal) => this.onExit(slot, code, signal));
  }

  /** Until all workers have started, writes only the first report: they fail for the same reason. Later, writes every report. */
  private report(faults: StartFaults): void {
    if (!this.ready && this.reported) return;
    this.reported = true;
    writeStartFaults(faults);
  }

  private onExit(slot: Slot, code: number | null, signal: string | null): void {
    const served = slot.listeningSince === undefined ? 0 : performance.now() - slot.listeningSince;
    slot.worker = undefined;
    slot.listeningSince = undefined;
    if (this.stopping) return;
    // A restart would not fix the configuration, so fail like a single node.
    if (!this.ready) return this.fail(code ?? 1);
    const wait = slot.delay.after(served);
    this.logger.error({ code, signal, restart_in_ms: wait }, 'a worker crashed; it will be restarted');
    slot.timer = setTimeout(() => this.fork(slot), wait);
  }

  private onListening({ port }: Pick<AddressInfo, 'port'>): void {
    if (this.ready || this.serving().length < this.slots.length) return;
    this.ready = true;
    for (const warning of configWarnings(this.config)) this.logger.warn(warning);
    const count = this.slots.length;
    this.logger.info(`${counted(count, 'worker')} ${agree(count, 'has', 'share')} the port`);
    const host = this.config.host.includes(':') ? `[${this.config.host}]` : this.config.host;
    for (const line of startupBanner(`http://${host}:${port}`)) this.logger.info(line);
  }

  private serving(): Worker[] {
    return this.slots.flatMap(({ worker, listeningSince: since }) =>
      since === undefined ? [] : (worker ?? []),
    );
  }
}

function isStartFaults(message: unknown): message is { readonly faults: StartFaults } {
  return (
    typeof message === 'object' && message !== null && 'kind' in message && message.kind === 'start-faults'
  );
}

/** A connection that the supervisor has accepted and sent to a worker. */
interface SentConnection {
  close(): void;
}

/**
 * Closes the connection that was being sent to a worker when the worker exits, so that the client notices immediately. `node:cluster`
 * sends each worker one connection at a time and keeps its own handle open until the worker confirms it. If the worker is killed before
 * that, the client would wait forever (Node 24). Closing a confirmed connection has no effect.
 */
function closeUndelivered({ process: worker }: Worker): void {
  const send = worker.send.bind(worker) as (...message: unknown[]) => boolean;
  let last: SentConnection | undefined;
  worker.send = (...message: unknown[]) => {
    const [, handle] = message;
    if (isConnection(handle)) last = handle;
    return send(...message);
  };
  // The two events come in either order, and Node may send another connection in between.
  for (const event of ['exit', 'disconnect']) worker.once(event, () => last?.close());
}

function isConnection(handle: unknown): handle is SentConnection {
  return typeof handle === 'object' && handle !== null && 'close' in handle;
}
