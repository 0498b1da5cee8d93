import type { Clock } from '../../common/clock.js';

/** How long a node may act on what it knows, from the moment it sent the look that brought it, in milliseconds. */
export const LEASE = 800;

/** A moment on both clocks of a node. */
interface Moment {
  readonly wall: number;
  readonly monotonic: number;
}

/** Until when a node may act on what it knows. */
export class Lease {
  private sent: Moment | undefined;

  constructor(private readonly clock: Clock) {}

  /** Both clocks must agree that little time has passed: one stands still while the machine sleeps, the other may jump. */
  get isFresh(): boolean {
    if (this.sent === undefined) return false;
    const wall = this.clock.now() - this.sent.wall;
    return this.clock.monotonic() - this.sent.monotonic < LEASE && wall < LEASE && wall > -LEASE;
  }

  /** Whether it was renewed by a look that was sent at this moment of the monotonic clock or later. */
  coversFrom(monotonic: number): boolean {
    return this.sent !== undefined && this.sent.monotonic >= monotonic;
  }

  now(): Moment {
    return { wall: this.clock.now(), monotonic: this.clock.monotonic() };
  }

  /** From the moment at which the look was sent. */
  renew(sent: Moment): void {
    this.sent = sent;
  }
}
