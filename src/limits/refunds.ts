import { Logger } from '@nestjs/common';

/** Milliseconds between the first refund and the statement that writes it. */
const WRITE_AFTER = 100;

type Write = (calls: ReadonlyMap<string, number>) => Promise<void>;

/**
 * Calls to refund, by key. Refunds are batched, so that many successful logins cost one statement. A call counts against the limit until
 * its refund is written, so the limit is never exceeded.
 *
 * Each write is tried once: a lost response may hide a statement that ran, and a call that is refunded twice would admit one call too
 * many. A call whose refund is lost counts until its window has passed.
 */
export class Refunds {
  private readonly logger = new Logger(Refunds.name);
  private waiting = new Map<string, number>();
  private underWay = new Map<string, number>();
  private writing: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly write: Write) {}

  add(key: string): void {
    this.waiting.set(key, (this.waiting.get(key) ?? 0) + 1);
    this.timer ??= setTimeout(() => void this.flush(), WRITE_AFTER).unref();
  }

  /** Whether a refund of this key has not been written yet. */
  hasPending(key: string): boolean {
    return this.waiting.has(key) || this.underWay.has(key);
  }

  /** Resolves when no refund of this key waits to be written. */
  async settle(key: string): Promise<void> {
    while (this.hasPending(key)) await this.flush();
  }

  /** Resolves when all refunds are written. */
  async drain(): Promise<void> {
    while (this.waiting.size > 0 || this.underWay.size > 0) await this.flush();
  }

  /** Writes the waiting refunds. If a write is running, resolves when that one has finished. Never rejects. */
  flush(): Promise<void> {
    this.writing ??= this.run().finally(() => (this.writing = undefined));
    return this.writing;
  }

  private async run(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.waiting.size === 0) return;
    this.underWay = this.waiting;
    this.waiting = new Map();
    try {
      await this.write(this.underWay);
    } catch (error) {
      this.logger.warn({ err: error }, 'failed to refund calls: they count until their window has passed');
    } finally {
      this.underWay = new Map();
    }
  }
}
