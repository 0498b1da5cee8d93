import { Injectable, Logger } from '@nestjs/common';
import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { BackgroundLoops } from '../../common/background-loops.js';
import type { BackgroundLoop } from '../../common/background-loops.js';
import { RefreshTokenStore } from './refresh-token.store.js';

const FAILURE = 'failed to record received refresh tokens; trying again';
const FAILURE_AT_STOP = 'failed to record received refresh tokens before the stop';

/** The lost-response window may close this much later than the confirmation arrived. */
const FLUSH_INTERVAL_MS = 500;

/** Beyond this many, confirmations are dropped. A dropped confirmation only leaves the lost-response window open longer. */
const MAX_PENDING = 100_000;

/**
 * Records which generation a client has received: an access token of that generation has reached the API. Writes in batches, outside
 * requests. A batch that fails is written again with the next one.
 */
@Injectable()
export class ConfirmationService implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(ConfirmationService.name);
  private pending = new Map<string, number>();
  private readonly loop: BackgroundLoop;
  private writing: Promise<void> | undefined;

  constructor(
    private readonly store: RefreshTokenStore,
    loops: BackgroundLoops,
  ) {
    this.loop = loops.create({
      name: 'confirmations',
      everyMs: FLUSH_INTERVAL_MS,
      firstMs: FLUSH_INTERVAL_MS,
      failure: FAILURE,
      run: () => this.flush(),
    });
  }

  onModuleInit(): void {
    this.loop.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.loop.stop();
    await this.writing?.catch(() => undefined);
    await this.flush().catch((error: unknown) => this.logger.warn({ err: error }, FAILURE_AT_STOP));
  }

  /** Notes that an access token of this generation was presented. */
  note(sid: string, generation: number): void {
    if (this.pending.size >= MAX_PENDING && !this.pending.has(sid)) return;
    if (generation > (this.pending.get(sid) ?? -1)) this.pending.set(sid, generation);
  }

  /** Writes what is pending. Throws if that fails, and keeps it for the next call. */
  async flush(): Promise<void> {
    if (this.writing !== undefined || this.pending.size === 0) return this.writing;
    this.writing = this.write().finally(() => (this.writing = undefined));
    return this.writing;
  }

  private async write(): Promise<void> {
    const batch = this.pending;
    this.pending = new Map();
    try {
      await this.store.confirm(batch);
    } catch (error) {
      for (const [sid, generation] of batch) this.note(sid, generation);
      throw error;
    }
  }
}
