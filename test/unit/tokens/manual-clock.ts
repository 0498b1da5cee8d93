import { Clock } from '../../../src/common/clock.js';

/** Both clocks move only when told: together, or the wall alone when it is set, or sleeps. */
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
