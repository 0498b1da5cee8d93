import { Inject, Injectable, Logger, Optional } from '@nestjs/common';
import { canonicalExternalId } from '../../../../users/external-id.js';
import { RemoteSessions } from './remote-sessions.js';
import type { RemoteSession } from './remote-sessions.js';
import { SessionSearchStore } from './session-search.store.js';
import type { ClaimedSearch, FoundForUser } from './session-search.store.js';

/** Users of one search. One pass through the store finds the sessions of all. */
const BATCH = 10_000;

/**
 * Finds the sessions of revoked users that Tandem has not seen, and revokes them. Until that is done, no unseen session of these users is
 * accepted. Searches that begin while one is running wait for the next one, which serves all of them.
 */
@Injectable()
export class UnseenSessionsService {
  private readonly logger = new Logger(UnseenSessionsService.name);
  private running: Promise<void> | undefined;
  private wanted = false;

  constructor(
    @Optional() @Inject(RemoteSessions) private readonly remote: RemoteSessions | undefined,
    private readonly searches: SessionSearchStore,
  ) {}

  /** Searches for the sessions of all users who were revoked before the call. Throws if the product's store is unavailable. */
  search(): Promise<void> {
    if (this.remote === undefined) return Promise.resolve();
    this.wanted = true;
    this.running ??= this.run().finally(() => (this.running = undefined));
    return this.running;
  }

  private async run(): Promise<void> {
    while (this.wanted) {
      this.wanted = false;
      const claimed = await this.searches.claim(BATCH);
      if (claimed.length === 0) continue;
      this.wanted = true;
      await this.settle(claimed);
    }
  }

  private async settle(claimed: readonly ClaimedSearch[]): Promise<void> {
    const owners = new Map(
      claimed.flatMap(({ names, userId }) => names.map((name) => [name, userId] as const)),
    );
    try {
      await this.remote!.endUnseen(new Set(owners.keys()), (sessions) => this.end(sessions, owners));
      await this.searches.settle(claimed);
    } catch (error) {
      await this.searches.release(claimed).catch((cause: unknown) => {
        this.logger.warn({ err: cause }, 'an unfinished search for sessions is resumed later');
      });
      throw error;
    }
  }

  private async end(sessions: readonly RemoteSession[], owners: ReadonlyMap<string, string>): Promise<void> {
    const found: FoundForUser[] = [];
    for (const { sid, user } of sessions) {
      const userId = user === undefined ? undefined : owners.get(canonicalExternalId(user));
      if (userId !== undefined) found.push({ sid, userId, name: user! });
    }
    if (found.length === 0) return;
    const revoked = await this.searches.revokeUnseen(found);
    if (revoked.length > 0) await this.remote!.delete(revoked);
  }
}
