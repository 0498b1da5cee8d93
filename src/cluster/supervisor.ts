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
import { RestartDelay } from './restart-delay.js';
import { MetricsExchange } from './sibling-metrics.js';
import { closeUndelivered } from './undelivered.js';

/** How long workers may take to end, in milliseconds: a little longer than they give themselves. */
const END_WITHIN = 14_000;

/** A place that one worker after the other takes. */
interface Slot {
  worker: Worker | undefined;
  /** Since when it serves, on the monotonic clock. */
  since: number | undefined;
  timer: NodeJS.Timeout | undefined;
  readonly delay: RestartDelay;
}

/**
 * Keeps `config.workers` nodes running on one port, each in a process of its own. The kernel's connections are dealt out in
 * turn. One that dies is started again, later each time it dies young; the others go on. Nothing but that is done here: the
 * workers are nodes like any others and share nothing but the database. When this process is killed they end too.
 */
export class Supervisor {
  private readonly logger: Logger;
  private readonly slots: readonly Slot[];
  private readonly exchange = new MetricsExchange(() => this.serving());
  private announced = false;
  private reported = false;
  private ending = false;

  /** `fail` is called with the exit code of a worker that ended before all served for the first time. */
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

  /** Tells the workers to answer what they have begun and to end; resolves when they have. */
  async end(): Promise<void> {
    this.ending = true;
    const workers = this.slots.flatMap(({ worker }) => worker ?? []);
    for (const { timer } of this.slots) clearTimeout(timer);
    const ended = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
    for (const worker of workers) worker.process.kill('SIGTERM');
    const impatience = setTimeout(() => {
      for (const worker of workers) worker.process.kill('SIGKILL');
    }, END_WITHIN);
    await Promise.all(ended);
    clearTimeout(impatience);
  }

  private fork(slot: Slot): void {
    const worker = cluster.fork();
    closeUndelivered(worker);
    slot.worker = worker;
    worker.once('listening', (address) => {
      slot.since = performance.now();
      this.announce(address);
    });
    worker.once('exit', (code, signal) => this.bury(slot, code, signal));
  }

  /** Workers share their settings, so of those that start together only the first one's faults are written. */
  private report(faults: StartFaults): void {
    if (!this.announced && this.reported) return;
    this.reported = true;
    writeStartFaults(faults);
  }

  private bury(slot: Slot, code: number | null, signal: string | null): void {
    const lived = slot.since === undefined ? 0 : performance.now() - slot.since;
    slot.worker = undefined;
    slot.since = undefined;
    if (this.ending) return;
    // How the service is set up does not get better by trying: the start is refused as that of a single node would be.
    if (!this.announced) return this.fail(code ?? 1);
    const wait = slot.delay.after(lived);
    this.logger.error({ code, signal, again_in_ms: wait }, 'a worker has died');
    slot.timer = setTimeout(() => this.fork(slot), wait);
  }

  private announce({ port }: Pick<AddressInfo, 'port'>): void {
    if (this.announced || this.serving().length < this.slots.length) return;
    this.announced = true;
    for (const warning of configWarnings(this.config)) this.logger.warn(warning);
    const host = this.config.host.includes(':') ? `[${this.config.host}]` : this.config.host;
    for (const line of startupBanner(`http://${host}:${port}`)) this.logger.info(line);
    this.logger.info(
      `${counted(this.slots.length, 'worker')} ${agree(this.slots.length, 'has', 'share')} the port`,
    );
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
