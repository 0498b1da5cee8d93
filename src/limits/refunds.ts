import { Logger } from '@nestjs/common';

/** Between the first call given back and the statement that says so, in milliseconds. */
const WRITE_AFTER = 100;

type Write = (calls: ReadonlyMap<string, number>) => Promise<void>;

/**
 * Calls to be given back, by key. Written together a moment later: a storm of right passwords costs a statement for all of
 * them. Until it has run they count, so that there is never more room than there should be.
 *
 * Tried once: a failed answer may hide a statement that ran, and a call given back twice would admit one too many. What is
 * lost leaves with its window.
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

  /** Whether {@link settle} has anything to wait for. */
  concerns(key: string): boolean {
    return this.waiting.has(key) || this.underWay.has(key);
  }

  /** Resolves when nothing that was given back of this key waits to be written. */
  async settle(key: string): Promise<void> {
    while (this.concerns(key)) await this.flush();
  }

  /** Resolves when nothing waits or is being written any more. */
  async drain(): Promise<void> {
    while (this.waiting.size > 0 || this.underWay.size > 0) await this.flush();
  }

  /** Writes what waits, unless something is being written: then it resolves when that is. Never rejects. */
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
      this.logger.warn(
        { err: error },
        'calls could not be given back: they count until their window has passed',
      );
    } finally {
      this.underWay = new Map();
    }
  }
}
