import { refuse } from '../../common/common.errors.js';

/** The share of the queue that work belongs to. Each share has its own limit, and while both wait, they take turns. */
export type Share = 'known' | 'unknown';

interface Waiting {
  readonly weight: number;
  readonly start: () => void;
}

interface Line {
  /** How much work may wait, in the unit of the weights. */
  readonly room: number;
  readonly queue: Waiting[];
  weight: number;
}

/**
 * Runs at most `lanes` pieces of work at once, queues more up to the room of their share, and refuses the rest with 503 at once.
 * However much work one share has, the other share gets every second lane that becomes free.
 */
export class WorkQueue {
  private running = 0;
  private readonly lines: Readonly<Record<Share, Line>>;
  private turn: Share = 'known';
  /** Work that was refused since the process started. */
  shed = 0;

  constructor(
    private readonly lanes: number,
    room: Readonly<Record<Share, number>>,
  ) {
    const line = (share: Share): Line => ({ room: room[share], queue: [], weight: 0 });
    this.lines = { known: line('known'), unknown: line('unknown') };
  }

  /** `weight`: the duration of the work in the unit of the room, at least 1. */
  async run<T>(work: () => Promise<T>, share: Share, weight = 1): Promise<T> {
    if (this.running >= this.lanes) {
      await this.wait(share, Math.max(1, weight));
    } else {
      this.running += 1;
    }
    try {
      return await work();
    } finally {
      // The lane passes to the next work without becoming free in between.
      const next = this.next();
      if (next === undefined) this.running -= 1;
      else next.start();
    }
  }

  /** How many pieces of work wait. */
  get waiting(): number {
    return this.lines.known.queue.length + this.lines.unknown.queue.length;
  }

  /** Throws the 503 that {@link run} would throw now, for callers that do other work first. */
  refuseIfFull(share: Share, weight = 1): void {
    const line = this.lines[share];
    // One may always wait, even if its weight exceeds the limit.
    if (line.queue.length === 0 || line.weight + weight <= line.room) return;
    this.shed += 1;
    throw refuse('service_unavailable', { headers: { 'Retry-After': '2' } });
  }

  private async wait(share: Share, weight: number): Promise<void> {
    this.refuseIfFull(share, weight);
    const line = this.lines[share];
    line.weight += weight;
    await new Promise<void>((start) => line.queue.push({ weight, start }));
  }

  private next(): Waiting | undefined {
    const [mine, other]: [Share, Share] = this.turn === 'known' ? ['known', 'unknown'] : ['unknown', 'known'];
    const share = this.lines[mine].queue.length > 0 ? mine : other;
    const line = this.lines[share];
    const next = line.queue.shift();
    if (next === undefined) return undefined;
    line.weight -= next.weight;
    this.turn = share === 'known' ? 'unknown' : 'known';
    return next;
  }
}
