import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';

/**
 * Injection token of a boolean: whether this process does background work. A node does. The command line starts the same
 * modules without it.
 */
export const BACKGROUND = Symbol('BACKGROUND');

/** Work that a node repeats by itself. */
export interface LoopOptions {
  /** The name of the loop: in kebab case, unique in the process. */
  readonly name: string;
  /** Milliseconds between the end of one run and the start of the next. */
  readonly everyMs: number;
  /** Milliseconds until the first run. Default: a random part of `everyMs`, so that nodes do not all run at once. */
  readonly firstMs?: number;
  /** Does one run. If it throws, the loop logs `failure` once until a run succeeds again. */
  readonly run: () => unknown;
  readonly failure: string;
}

/** One background loop. Runs never overlap. */
export class BackgroundLoop {
  private readonly logger = new Logger(BackgroundLoop.name);
  private timer: NodeJS.Timeout | undefined;
  private current: Promise<void> = Promise.resolve();
  private started = false;
  private failing = false;
  private ended = false;

  constructor(
    private readonly options: LoopOptions,
    private readonly enabled: boolean,
  ) {}

  get name(): string {
    return this.options.name;
  }

  /** Whether the loop has been started and not stopped. */
  get running(): boolean {
    return this.started && !this.ended;
  }

  /** Whether {@link stop} was called: a run that takes long should return soon. */
  get stopped(): boolean {
    return this.ended;
  }

  /** Whether the last run threw. */
  get isFailing(): boolean {
    return this.failing;
  }

  /** Schedules the first run. Does nothing in a process without background work, or if the loop was started before. */
  start(): void {
    if (!this.enabled || this.started || this.ended) return;
    this.started = true;
    const { everyMs, firstMs = everyMs * Math.random() } = this.options;
    this.schedule(firstMs);
  }

  /** Stops the loop. Resolves when the current run has ended. */
  async stop(): Promise<void> {
    this.ended = true;
    clearTimeout(this.timer);
    await this.current;
  }

  private schedule(milliseconds: number): void {
    this.timer = setTimeout(() => void (this.current = this.runOnce()), milliseconds).unref();
  }

  private async runOnce(): Promise<void> {
    try {
      await this.options.run();
      this.failing = false;
    } catch (error) {
      if (!this.failing && !this.ended)
        this.logger.warn({ err: error, loop: this.name }, this.options.failure);
      this.failing = true;
    }
    if (!this.ended) this.schedule(this.options.everyMs);
  }
}

/** Makes every background loop of the process, so that one setting controls them all. The linter forbids `setInterval`. */
@Injectable()
export class BackgroundLoops implements OnApplicationShutdown {
  private readonly loops: BackgroundLoop[] = [];

  constructor(@Inject(BACKGROUND) readonly enabled: boolean) {}

  /** A loop that its owner starts and stops. */
  create(options: LoopOptions): BackgroundLoop {
    const loop = new BackgroundLoop(options, this.enabled);
    this.loops.push(loop);
    return loop;
  }

  /** Every loop of the process. */
  list(): readonly BackgroundLoop[] {
    return this.loops;
  }

  /** Stops the loops that their owners have not stopped. */
  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.stop()));
  }
}
