import { refuse } from '../common/common.errors.js';

interface Waiting {
  readonly weight: number;
  readonly begin: () => void;
}

/** Runs at most `lanes` pieces of work at once, lets more wait that weigh `waiting` together, and refuses the rest with 503 at once. */
export class WorkQueue {
  private running = 0;
  private readonly queue: Waiting[] = [];
  private weight = 0;

  constructor(
    private readonly lanes: number,
    private readonly waiting: number,
  ) {}

  /** `weight`: how long the work takes, in the unit that `waiting` is in. None weighs less than one. */
  async run<T>(work: () => Promise<T>, weight = 1): Promise<T> {
    if (this.running >= this.lanes) {
      await this.wait(Math.max(1, weight));
    } else {
      this.running += 1;
    }
    try {
      return await work();
    } finally {
      // The lane goes to whoever waits longest, without ever looking free.
      const next = this.queue.shift();
      if (next === undefined) this.running -= 1;
      else {
        this.weight -= next.weight;
        next.begin();
      }
    }
  }

  /** Throws the 503 that {@link run} would throw now, for who has something to do before: work that cannot be done is not prepared. */
  refuseIfFull(weight = 1): void {
    // Whatever it weighs, one may wait.
    if (this.queue.length > 0 && this.weight + weight > this.waiting)
      throw refuse('service_unavailable', { headers: { 'Retry-After': '2' } });
  }

  private async wait(weight: number): Promise<void> {
    this.refuseIfFull(weight);
    this.weight += weight;
    await new Promise<void>((begin) => this.queue.push({ weight, begin }));
  }
}
