import { Injectable, Logger } from '@nestjs/common';
import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { BackgroundLoops } from '../../common/background-loops.js';
import type { BackgroundLoop } from '../../common/background-loops.js';
import { RefreshTokenStore } from './refresh-token.store.js';

/** Between two writes, in milliseconds: a lost response stops being believed at most this much later than it could. */
const FLUSH_EVERY = 500;

/** Beyond this many the news is dropped; a token is then believed lost for longer, and nobody is signed out. */
const MAX_PENDING = 100_000;

/**
 * Notices that a client has received what its last refresh answered: an access token of that generation reached the
 * API. Written in batches, off the request; what could not be written is kept for the next batch.
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
    const failure = 'received refresh tokens could not be noted yet';
    const run = () => this.flush();
    this.loop = loops.create({
      name: 'confirmations',
      everyMs: FLUSH_EVERY,
      firstMs: FLUSH_EVERY,
      failure,
      run,
    });
  }

  onModuleInit(): void {
    this.loop.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.loop.stop();
    await this.writing;
    await this.flush();
  }

  /** An access token minted with that generation was presented. */
  note(sid: string, generation: number): void {
    if (this.pending.size >= MAX_PENDING && !this.pending.has(sid)) return;
    if (generation > (this.pending.get(sid) ?? -1)) this.pending.set(sid, generation);
  }

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
      this.logger.warn({ err: error }, 'received refresh tokens could not be noted yet');
      for (const [sid, generation] of batch) this.note(sid, generation);
    }
  }
}
