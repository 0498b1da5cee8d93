import type { Clock } from '../../common/clock.js';

/** How long a node may act on a poll, counted from the moment it sent the poll. */
export const LEASE_MS = 800;

/** A moment on both clocks of a node. */
interface Moment {
  readonly wall: number;
  readonly monotonic: number;
}

/** How long a node may act on what it knows. */
export class Lease {
  /** When the last complete poll was sent. */
  private start: Moment | undefined;

  constructor(private readonly clock: Clock) {}

  /** Both clocks must agree that little time has passed: one stops while the machine sleeps, the other may jump. */
  isFresh(): boolean {
    if (this.start === undefined) return false;
    const wall = this.clock.now() - this.start.wall;
    const monotonic = this.clock.monotonic() - this.start.monotonic;
    return monotonic < LEASE_MS && wall < LEASE_MS && wall > -LEASE_MS;
  }

  /** Milliseconds since the last complete poll was sent; undefined before the first one. */
  age(): number | undefined {
    return this.start === undefined ? undefined : this.clock.monotonic() - this.start.monotonic;
  }

  /** Whether a poll that was sent at this moment of the monotonic clock, or later, has renewed the lease. */
  coversFrom(monotonic: number): boolean {
    return this.start !== undefined && this.start.monotonic >= monotonic;
  }

  now(): Moment {
    return { wall: this.clock.now(), monotonic: this.clock.monotonic() };
  }

  /** Renews the lease from the time when the poll was sent. */
  renew(sent: Moment): void {
    this.start = sent;
  }
}
