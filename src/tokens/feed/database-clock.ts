import { Injectable } from '@nestjs/common';
import { Clock } from '../../common/clock.js';

/** The time of the database, which all nodes share. Every poll of the change feed synchronises it. */
@Injectable()
export class DatabaseClock {
  /** The database's time minus the monotonic time of this node, in ms. */
  private offset = 0;

  constructor(private readonly clock: Clock) {}

  /** Returns the database's time in ms since the epoch, without a query. A jump of this node's wall clock does not change it. */
  now(): number {
    return this.clock.monotonic() + this.offset;
  }

  /**
   * Sets the clock. `databaseNow`: the database's time in ms, from a query that this node sent at `sentAt` (monotonic, in ms). The clock
   * may be ahead by at most the round trip of the query.
   */
  synchronize(databaseNow: number, sentAt: number): void {
    this.offset = databaseNow - sentAt;
  }
}
