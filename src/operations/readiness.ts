import { Injectable } from '@nestjs/common';
import { ChangeFeed } from '../tokens/feed/change-feed.js';
import { DatabaseClock } from '../tokens/feed/database-clock.js';
import { KeyRingService } from '../tokens/keys/key-ring.service.js';
import { Drain } from './drain.js';

/** What a node needs besides the database. */
export type Need = 'revocation_feed' | 'stopping' | 'signing_key';

/** Whether this node can serve, as far as it knows without asking the database. */
@Injectable()
export class Readiness {
  constructor(
    private readonly feed: ChangeFeed,
    private readonly clock: DatabaseClock,
    private readonly keys: KeyRingService,
    private readonly drain: Drain,
  ) {}

  /** Each need, and whether it is met. */
  needs(): Readonly<Record<Need, boolean>> {
    return {
      revocation_feed: this.feed.isFresh(),
      stopping: !this.drain.stopping,
      signing_key: this.keys.canSign(this.clock.now()),
    };
  }

  /** The needs that are not met. */
  failing(): Need[] {
    return Object.entries(this.needs()).flatMap(([need, met]) => (met ? [] : [need as Need]));
  }
}
