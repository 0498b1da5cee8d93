import { Injectable } from '@nestjs/common';
import { Clock } from '../../common/clock.js';

/** The time of the database, which all nodes share. Every poll of the change feed synchronises it. */
@Injectable()
export class DatabaseClock {
  /** The database's time minus the monotonic time of this node, in milliseconds. */
  private offset = 0;

  constructor(private readonly clock: Clock) {}

  /** Milliseconds since the epoch, without asking the database. A jump of this node's wall clock does not change it. */
  now(): number {
    return this.clock.monotonic() + this.offset;
  }

  /** `databaseNow`: the answer to a query that this node sent at `sentAt` on its monotonic clock. */
  synchronize(databaseNow: number, sentAt: number): void {
    this.offset = databaseNow - sentAt;
  }
}
