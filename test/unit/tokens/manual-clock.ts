import { Clock } from '../../../src/common/clock.js';

/** Clocks that only the test moves: both together, or one of them alone. */
export class ManualClock extends Clock {
  wall = 1_800_000_000_000;
  ticks = 5_000;

  override now(): number {
    return this.wall;
  }

  override monotonic(): number {
    return this.ticks;
  }

  pass(milliseconds: number): void {
    this.wall += milliseconds;
    this.ticks += milliseconds;
  }
}
