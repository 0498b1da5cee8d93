import type { Clock } from '../../common/clock.js';
import { RecentMap } from '../../common/recent-map.js';

interface Block {
  readonly monotonic: number;
  readonly wall: number;
}

/** Keys that are known to be refused until some moment, at most `capacity` of them. Each key that is dropped costs one query and nothing else. */
export class BlockedKeys {
  private readonly blocks: RecentMap<Block>;

  constructor(
    private readonly clock: Clock,
    readonly capacity = 50_000,
  ) {
    this.blocks = new RecentMap(capacity);
  }

  get size(): number {
    return this.blocks.size;
  }

  /** Blocks for `ms` milliseconds from `since`, a reading of the monotonic clock. */
  block(key: string, since: number, ms: number): void {
    const monotonic = since + ms;
    this.blocks.set(key, { monotonic, wall: this.clock.now() + monotonic - this.clock.monotonic() });
  }

  /** Milliseconds until the block ends; undefined if the key is not known to be blocked. */
  remaining(key: string): number | undefined {
    const block = this.blocks.get(key);
    if (block === undefined) return undefined;
    // The monotonic clock stops while the machine sleeps: the clock that is further ahead counts.
    const left = Math.min(block.monotonic - this.clock.monotonic(), block.wall - this.clock.now());
    if (left > 0) return left;
    this.release(key);
    return undefined;
  }

  release(key: string): void {
    this.blocks.delete(key);
  }

  clear(): void {
    this.blocks.clear();
  }
}
