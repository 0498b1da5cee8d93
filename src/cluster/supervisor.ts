import cluster from 'node:cluster';
import type { Worker } from 'node:cluster';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import type { Logger } from 'pino';
import { agree, counted } from '../common/text.js';
import { startupBanner } from '../common/startup-banner.js';
import { logOutput } from '../common/logging.module.js';
import { writeStartFaults } from '../common/process-output.js';
import type { StartFaults } from '../common/process-output.js';
import type { Config } from '../config/config.js';
import { configWarnings } from '../config/config-warnings.js';
import { MetricsExchange } from './sibling-metrics.js';

/** Milliseconds until workers that do not stop are killed: a little longer than their own limit. */
const STOP_WITHIN = 14_000;

/** The back-off of restarts in milliseconds. A worker that served for `STABLE_AFTER` resets it. */
const FIRST_DELAY = 250;
const LONGEST_DELAY = 30_000;
const STABLE_AFTER = 30_000;

/** Exponential back-off: the delay doubles each time a worker crashes before it was stable. */
export class RestartDelay {
  private next = FIRST_DELAY;

  /** `served`: how long the crashed worker served, in milliseconds; 0 if it never did. */
  after(served: number): number {
    if (served >= STABLE_AFTER) this.next = FIRST_DELAY;
    const delay = this.next;
    this.next = Math.min(LONGEST_DELAY, delay * 2);
    return delay;
  }
}

/** A place for one worker at a time. */
interface Slot {
  worker: Worker | undefined;
  /** When the worker began to serve, on the monotonic clock. */
  since: number | undefined;
  timer: NodeJS.Timeout | undefined;
  readonly delay: RestartDelay;
}

/**
 * Keeps `config.workers` nodes running on one port, each in its own process, and deals connections out in turn. It restarts crashed
 * workers with exponential back-off. It does nothing else: workers are ordinary nodes that share only the database. If this process is
 * killed, the workers stop too.
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
      since: undefined,
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

  /** Stops the workers gracefully; resolves when they have exited. */
  async stop(): Promise<void> {
    this.stopping = true;
    const workers = this.slots.flatMap(({ worker }) => worker ?? []);
    for (const { timer } of this.slots) clearTimeout(timer);
    const exits = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
    for (const worker of workers) worker.process.kill('SIGTERM');
    const killer = setTimeout(() => {
      for (const worker of workers) worker.process.kill('SIGKILL');
    }, STOP_WITHIN);
    await Promise.all(exits);
    clearTimeout(killer);
  }

  private fork(slot: Slot): void {
    const worker = cluster.fork();
    closeUndelivered(worker);
    slot.worker = worker;
    worker.once('listening', (address) => {
      slot.since = performance.now();
      this.onListening(address);
    });
    worker.once('exit', (code, signal) => this.onExit(slot, code, signal));
  }

  /** Workers share their settings, so only the faults of the first one are written. */
  private report(faults: StartFaults): void {
    if (!this.ready && this.reported) return;
    this.reported = true;
    writeStartFaults(faults);
  }

  private onExit(slot: Slot, code: number | null, signal: string | null): void {
    const served = slot.since === undefined ? 0 : performance.now() - slot.since;
    slot.worker = undefined;
    slot.since = undefined;
    if (this.stopping) return;
    // A restart does not fix the configuration: fail as a single node does.
    if (!this.ready) return this.fail(code ?? 1);
    const wait = slot.delay.after(served);
    this.logger.error({ code, signal, again_in_ms: wait }, 'a worker crashed; it will be restarted');
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
    return this.slots.flatMap(({ worker, since }) => (since === undefined ? [] : (worker ?? [])));
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
 * Closes the connection that was on its way to a worker when the worker dies, so that its client learns of it at once. `node:cluster`
 * sends each worker one connection at a time and keeps its own end open until the worker confirms it. If the worker is killed first,
 * the client would wait for ever (Node 24). Closing a confirmed connection does nothing.
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
