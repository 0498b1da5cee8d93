import { Injectable } from '@nestjs/common';

/** The node's clocks. Injected, so that tests move time by hand; order and expiry of stored things use the database's. */
@Injectable()
export class Clock {
  /** Wall time in milliseconds since the epoch; may jump. */
  now(): number {
    return Date.now();
  }

  /** Milliseconds that never go backwards. Stands still while the machine sleeps, so compare {@link now} too. */
  monotonic(): number {
    return performance.now();
  }
}
