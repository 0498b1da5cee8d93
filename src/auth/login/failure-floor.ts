import { Injectable } from '@nestjs/common';
import { FAILURE_FLOOR_TOPIC, ServiceStateStore } from '../../database/service-state.store.js';
import { RevocationFeed } from '../../tokens/feed/revocation-feed.js';
import { PasswordHasher } from '../../users/hashing/password-hasher.js';

/** Lets this node's failed logins take as long as the dearest imported hash wants, within a second of the import. */
@Injectable()
export class FailureFloor {
  constructor(feed: RevocationFeed, state: ServiceStateStore, hasher: PasswordHasher) {
    feed.follow(FAILURE_FLOOR_TOPIC, async () => hasher.raiseFloor(await state.failureFloor()));
  }
}
