import { Injectable } from '@nestjs/common';

/** The node's clocks, injected so that tests control the time. Order and expiry of stored rows use the database's clock. */
@Injectable()
export class Clock {
  /** Wall-clock time in milliseconds since the epoch. It may jump. */
  now(): number {
    return Date.now();
  }

  /** Milliseconds that never decrease. They stop while the machine sleeps, so compare {@link now} too. */
  monotonic(): number {
    return performance.now();
  }
}
