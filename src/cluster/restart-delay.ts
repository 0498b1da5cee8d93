/** Before the first restart, and at most, in milliseconds. */
const FIRST = 250;
const LONGEST = 30_000;

/** A worker that lived this long was well, in milliseconds. */
const WELL = 30_000;

/** How long to wait before a worker is started again: longer each time it died young. */
export class RestartDelay {
  private next = FIRST;

  /** `lived`: how long the one that died has served, in milliseconds; 0 if it never did. */
  after(lived: number): number {
    if (lived >= WELL) this.next = FIRST;
    const delay = this.next;
    this.next = Math.min(LONGEST, delay * 2);
    return delay;
  }
}
