import type { RevocationEntry, RevocationList } from '../feed/revocation-list.js';
import { MAX_REVOCATIONS, revocationJson, revokedFrames } from './stream-frame.js';

/**
 * Everything that is revoked, as events. Each event is serialised when the first consumer needs it, and then shared. 60,000 revocations
 * are 60 events, and each takes a millisecond or two of the event loop.
 *
 * The list may change meanwhile. The snapshot has everything that the list had when the snapshot was made. What came later is in the log
 * from {@link place} on.
 */
export class RevocationSnapshot {
  private readonly events: Buffer[] = [];
  private readonly rest: Iterator<RevocationEntry>;

  /** `madeAt`: on the monotonic clock. `place`: the end of the log. */
  constructor(
    list: RevocationList,
    readonly place: number,
    readonly madeAt: number,
  ) {
    this.rest = list.entries();
  }

  /** The event with this number, from 0 on. Undefined after the last one. Ask for them in order. */
  event(number: number): Buffer | undefined {
    if (number === this.events.length) {
      const [bytes] = revokedFrames(this.take());
      if (bytes !== undefined) this.events.push(bytes);
    }
    return this.events[number];
  }

  private take(): string[] {
    const revocations: string[] = [];
    while (revocations.length < MAX_REVOCATIONS) {
      const { done, value } = this.rest.next() as IteratorResult<RevocationEntry, undefined>;
      if (done === true) break;
      revocations.push(revocationJson(value));
    }
    return revocations;
  }
}
