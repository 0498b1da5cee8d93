import { Injectable } from '@nestjs/common';
import { FAILURE_FLOOR_TOPIC, ServiceStateStore } from '../../database/service-state.store.js';
import { ChangeFeed } from '../../tokens/feed/change-feed.js';
import { PasswordHasher } from '../../users/hashing/password-hasher.js';

/** Lets this node's failed logins take as long as the dearest imported hash wants, within a second of the import. */
@Injectable()
export class FailureFloor {
  constructor(feed: ChangeFeed, state: ServiceStateStore, hasher: PasswordHasher) {
    feed.subscribe(FAILURE_FLOOR_TOPIC, async () => hasher.raiseFloor(await state.failureFloor()));
  }
}
