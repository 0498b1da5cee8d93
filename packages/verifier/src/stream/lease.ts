/** The clocks of this process, in milliseconds. */
export interface Clocks {
  /** Since the epoch. It may jump. */
  wall(): number;
  /** The monotonic clock. It never goes back. On some systems it stops while the machine sleeps. */
  monotonic(): number;
}

export const SYSTEM_CLOCKS: Clocks = { wall: () => Date.now(), monotonic: () => performance.now() };

/** How old our knowledge may be when we accept a token by it, in milliseconds. */
export const LEASE_MS = 900;

/** How far two clocks may drift apart unnoticed, in milliseconds. Together with the lease: one second. */
const DRIFT_MS = 100;

/**
 * How long a connection to the stream lets us accept tokens.
 *
 * `now` is the service's monotonic clock, read after our request arrived. We sent that request at `sent`. So at our time `m` the service's
 * clock shows `now + (m - sent)` at most, and the knowledge from its time `asOf` is at most `now + (m - sent) - asOf` old, however long
 * packets took.
 */
export class Lease {
  private readonly sent: number;
  private now: number | undefined;
  private asOf = -Infinity;
  /** Our clocks when the last news arrived. */
  private arrived = { wall: 0, monotonic: 0 };

  /** Call it when the request is sent. */
  constructor(private readonly clocks: Clocks) {
    this.sent = clocks.monotonic();
  }

  /** The service's monotonic clock, after our request arrived. */
  begin(now: number): void {
    this.now = now;
  }

  /** Everything up to this time of the service's clock has arrived. False if that cannot be true. */
  renew(asOf: number): boolean {
    if (this.now === undefined || asOf < this.asOf) return false;
    this.asOf = asOf;
    this.arrived = { wall: this.clocks.wall(), monotonic: this.clocks.monotonic() };
    // The service's clock cannot show this yet. One of the clocks stood still.
    return this.age() >= -DRIFT_MS;
  }

  /** Both clocks must agree: one stops while the machine sleeps, the other may jump. */
  isFresh(): boolean {
    if (this.age() >= LEASE_MS) return false;
    const { wall, monotonic } = this.arrived;
    const apart = this.clocks.wall() - wall - (this.clocks.monotonic() - monotonic);
    return Math.abs(apart) < DRIFT_MS;
  }

  private age(): number {
    return this.now === undefined ? Infinity : this.now + (this.clocks.monotonic() - this.sent) - this.asOf;
  }
}
