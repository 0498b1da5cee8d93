import type { SealedEvent } from './seal.js';
import type { SealStore } from './seal.store.js';

/** Events in memory at a time. */
const PAGE_SIZE = 2_000;

/** Reads events in the order of their ids, one page at a time. */
export class EventReader {
  private page: SealedEvent[] = [];
  private position = 0;
  private next: bigint;
  private ended = false;

  /** `to` is included. */
  constructor(
    private readonly store: SealStore,
    from: string,
    private readonly to: string,
  ) {
    this.next = BigInt(from);
  }

  /** The events up to this id that were not read yet. */
  async *upTo(id: string): AsyncGenerator<SealedEvent> {
    const last = BigInt(id);
    for (;;) {
      const event = await this.peek();
      if (event === undefined || BigInt(event.id) > last) return;
      this.position += 1;
      yield event;
    }
  }

  private async peek(): Promise<SealedEvent | undefined> {
    if (this.position === this.page.length && !this.ended) {
      this.page = await this.store.events(String(this.next), this.to, PAGE_SIZE);
      this.position = 0;
      this.ended = this.page.length < PAGE_SIZE;
      this.next = BigInt(this.page.at(-1)?.id ?? 0) + 1n;
    }
    return this.page[this.position];
  }
}
