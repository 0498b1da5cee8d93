import { refuse } from '../../common/common.errors.js';

/** Whose work it is. Each share has its own room to wait, and while both wait they take turns. */
export type Share = 'known' | 'unknown';

interface Waiting {
  readonly weight: number;
  readonly begin: () => void;
}

interface Line {
  /** How much may wait, in the unit of the weights. */
  readonly room: number;
  readonly queue: Waiting[];
  weight: number;
}

/**
 * Runs at most `lanes` pieces of work at once, lets more wait up to the room of their share, and refuses the rest with 503 at once.
 * However much unknown callers ask for, known ones get every second lane that becomes free, and the other way round.
 */
export class WorkQueue {
  private running = 0;
  private readonly lines: Readonly<Record<Share, Line>>;
  private turn: Share = 'known';

  constructor(
    private readonly lanes: number,
    room: Readonly<Record<Share, number>>,
  ) {
    const line = (share: Share): Line => ({ room: room[share], queue: [], weight: 0 });
    this.lines = { known: line('known'), unknown: line('unknown') };
  }

  /** `weight`: how long the work takes, in the unit of the room. No work weighs less than one. */
  async run<T>(work: () => Promise<T>, share: Share, weight = 1): Promise<T> {
    if (this.running >= this.lanes) {
      await this.wait(share, Math.max(1, weight));
    } else {
      this.running += 1;
    }
    try {
      return await work();
    } finally {
      // The lane passes to the next one without ever looking free.
      const next = this.next();
      if (next === undefined) this.running -= 1;
      else next.begin();
    }
  }

  /** Throws the 503 that {@link run} would throw now, for callers that have something to do first. */
  refuseIfFull(share: Share, weight = 1): void {
    const line = this.lines[share];
    // Whatever it weighs, one may wait.
    if (line.queue.length > 0 && line.weight + weight > line.room)
      throw refuse('service_unavailable', { headers: { 'Retry-After': '2' } });
  }

  private async wait(share: Share, weight: number): Promise<void> {
    this.refuseIfFull(share, weight);
    const line = this.lines[share];
    line.weight += weight;
    await new Promise<void>((begin) => line.queue.push({ weight, begin }));
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
