import { unavailable } from '../common/common.errors.js';

/** Runs at most `lanes` pieces of work at once, lets `waiting` more wait, and refuses the rest with 503 at once. */
export class WorkQueue {
  private running = 0;
  private readonly queue: (() => void)[] = [];

  constructor(
    private readonly lanes: number,
    private readonly waiting: number,
  ) {}

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= this.lanes) {
      if (this.queue.length >= this.waiting) throw unavailable(new Error('too much work waiting'), 2);
      await new Promise<void>((resolve) => this.queue.push(resolve));
    } else {
      this.running += 1;
    }
    try {
      return await work();
    } finally {
      // The lane goes to whoever waits longest, without ever looking free.
      const next = this.queue.shift();
      if (next === undefined) this.running -= 1;
      else next();
    }
  }
}
