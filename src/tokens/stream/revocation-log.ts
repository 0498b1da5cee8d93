import type { FeedEntry } from '../feed/revocation.store.js';
import { MAX_REVOCATIONS, revocationJson, revokedFrames } from './stream-frame.js';

/** Bytes of events that the log keeps. */
export const LOG_LIMIT = 1024 * 1024;

/** Bytes of memory that an event takes beside its text. */
const OVERHEAD = 256;

/** Bytes that {@link RevocationLog.read} joins. */
const JOINED = 64 * 1024;

interface LoggedEvent {
  readonly bytes: Buffer;
  /** The newest transaction in it; -1 if its transactions are those of another server. */
  newest: number;
}

/**
 * The latest revocations as events, serialised once for all consumers. A place in the log is a number that only increases. The log drops
 * the oldest events, so that it stays below {@link LOG_LIMIT}.
 */
export class RevocationLog {
  private events: LoggedEvent[] = [];
  private start = 0;
  private size = 0;
  /** The newest transaction in an event that was dropped. */
  private dropped = -1;

  /** The place after the last event. */
  get end(): number {
    return this.start + this.events.length;
  }

  /** Whether the log still has everything from this place on. */
  has(place: number): boolean {
    return place >= this.start;
  }

  /** Adds events for the entries. `id`: a position that was reached before. */
  append(entries: readonly FeedEntry[], id: string | undefined): void {
    for (let first = 0; first < entries.length; first += MAX_REVOCATIONS) {
      const some = entries.slice(first, first + MAX_REVOCATIONS);
      const [bytes] = revokedFrames(some.map(revocationJson), id);
      const newest = some.reduce((latest, { xid }) => Math.max(latest, xid), 0);
      this.events.push({ bytes: bytes!, newest });
      this.size += bytes!.length + OVERHEAD;
    }
    while (this.size > LOG_LIMIT) this.drop();
  }

  /** The events from this place on, up to about 64 KiB, and the place after them. Undefined at the end. */
  read(place: number): { readonly bytes: Buffer; readonly next: number } | undefined {
    const first = this.events[place - this.start]?.bytes;
    if (first === undefined) return undefined;
    const joined = [first];
    let next = place + 1;
    for (let size = first.length; ; next += 1) {
      const bytes = this.events[next - this.start]?.bytes;
      if (bytes === undefined || (size += bytes.length) > JOINED) break;
      joined.push(bytes);
    }
    return { bytes: joined.length === 1 ? first : Buffer.concat(joined), next };
  }

  /**
   * The place from which on a consumer has to read that knows everything that transactions older than `horizon` have committed. Undefined if
   * the log no longer has all of it.
   */
  placeOf(horizon: number): number | undefined {
    if (horizon <= this.dropped) return undefined;
    const index = this.events.findIndex(({ newest }) => newest >= horizon);
    return index === -1 ? this.end : this.start + index;
  }

  /** The whole feed follows, with the transactions of another server. */
  restart(): void {
    for (const event of this.events) event.newest = -1;
    this.dropped = -1;
  }

  private drop(): void {
    const { bytes, newest } = this.events.shift()!;
    this.start += 1;
    this.size -= bytes.length + OVERHEAD;
    this.dropped = Math.max(this.dropped, newest);
  }
}
