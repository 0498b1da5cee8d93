import type { Clock } from '../common/clock.js';

interface Block {
  readonly monotonic: number;
  readonly wall: number;
}

/**
 * Keys that are known to be refused until some moment, at most `capacity` of them. When it is full, it drops the older half. Each
 * dropped key costs one query and nothing else. Two generations, because repeatedly removing the oldest entry of one large Map
 * walks over all entries that were removed before it.
 */
export class BlockedKeys {
  private young = new Map<string, Block>();
  private old = new Map<string, Block>();

  constructor(
    private readonly clock: Clock,
    readonly capacity = 50_000,
  ) {}

  get size(): number {
    return this.young.size + this.old.size;
  }

  /** Blocks for `ms` milliseconds from `since`, a reading of the monotonic clock. */
  block(key: string, since: number, ms: number): void {
    const monotonic = since + ms;
    this.release(key);
    if (this.young.size >= this.capacity / 2) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(key, { monotonic, wall: this.clock.now() + monotonic - this.clock.monotonic() });
  }

  /** Milliseconds until the block ends; undefined if the key is not known to be blocked. */
  remaining(key: string): number | undefined {
    const block = this.young.get(key) ?? this.old.get(key);
    if (block === undefined) return undefined;
    // The monotonic clock stops while the machine sleeps: the clock that is further ahead counts.
    const left = Math.min(block.monotonic - this.clock.monotonic(), block.wall - this.clock.now());
    if (left > 0) return left;
    this.release(key);
    return undefined;
  }

  release(key: string): void {
    this.young.delete(key);
    this.old.delete(key);
  }
}
