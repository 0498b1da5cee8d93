import { Injectable, Logger } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { BackgroundLoops } from '../../common/background-loops.js';
import type { BackgroundLoop } from '../../common/background-loops.js';
import { Clock } from '../../common/clock.js';
import { unavailable } from '../../common/common.errors.js';
import { Database } from '../../database/database.js';
import type { VerifiedToken } from '../access/access-token.js';
import { FeedConnection } from './feed-connection.js';
import { FeedFollowers } from './feed-followers.js';
import { Lease } from './lease.js';
import { RevocationList } from './revocation-list.js';
import type { RevocationEntry } from './revocation-list.js';
import { RevocationStore } from './revocation.store.js';
import type { FeedPage } from './revocation.store.js';

/** Between two looks, in milliseconds. */
const POLL_EVERY = 200;

/** How long a starting node tries to read the feed before it gives up, in milliseconds. */
const START_WITHIN = 15_000;

/** How long a request waits for fresh knowledge before it is answered 503, in milliseconds. */
const PATIENCE = 2_000;

const PRUNE_EVERY = 30_000;

const LOST =
  'the database has lost commits: a standby was promoted that lacked them, or it was restored (docs/operations/backup-and-restore.md)';

/**
 * A node's knowledge of what has been revoked anywhere. Complete before the node is ready, at most {@link LEASE} old
 * when it is used: past that every request waits for a new look at the database or gets 503 (fail closed).
 */
@Injectable()
export class RevocationFeed implements OnApplicationShutdown {
  private readonly logger = new Logger(RevocationFeed.name);
  private readonly revoked = new RevocationList();
  private readonly followers = new FeedFollowers();
  private readonly connection: FeedConnection;
  private horizon = '0';
  private server: string | undefined;
  private readonly lease: Lease;
  /** The database's clock less this node's monotonic one, in milliseconds. */
  private offset = 0;
  private polling: Promise<void> | undefined;
  private readonly loops: readonly BackgroundLoop[];
  private hinted = false;
  private announcing = false;
  private stopped = false;

  constructor(
    private readonly store: RevocationStore,
    private readonly database: Database,
    private readonly clock: Clock,
    loops: BackgroundLoops,
  ) {
    const failure = 'the revocation feed did not answer';
    const loop = (name: string, everyMs: number, run: () => Promise<void> | void) =>
      loops.create({ name, everyMs, firstMs: everyMs, failure, run });
    this.loops = [
      loop('revocation-feed', POLL_EVERY, () => this.poll()),
      loop('revocation-pruning', PRUNE_EVERY, () => this.revoked.prune(this.now())),
    ];
    this.lease = new Lease(clock);
    this.connection = new FeedConnection(database, () => {
      this.hinted = true;
      void this.poll().catch(() => undefined);
    });
  }

  /** Calls `reload` whenever the version of `topic` has changed, before the node counts as fresh again. */
  follow(topic: string, reload: () => Promise<void>): void {
    this.followers.add(topic, reload);
  }

  /**
   * Resolves when everything that is revoked now is known here. From then on a node polls, and the command line asks when it
   * needs to. Tries again for {@link START_WITHIN}, then throws 503.
   */
  async start(): Promise<void> {
    await this.lookUntil(() => this.server !== undefined, START_WITHIN);
    for (const loop of this.loops) loop.start();
  }

  onApplicationShutdown(): void {
    this.stopped = true;
    for (const loop of this.loops) void loop.stop();
    this.connection.close();
  }

  /** Entries held. */
  get size(): number {
    return this.revoked.size;
  }

  /** The database's clock in milliseconds, without asking it. A jump of the node's own clock does not move it. */
  now(): number {
    return this.clock.monotonic() + this.offset;
  }

  /** Meaningful only while {@link isFresh}. */
  isRevoked(token: VerifiedToken): boolean {
    return this.revoked.isRevoked(token);
  }

  isFresh(): boolean {
    return this.lease.isFresh;
  }

  /** Resolves once the node is fresh. Throws 503 if the database does not make it so in time. */
  fresh(): Promise<void> {
    return this.lookUntil(() => this.isFresh());
  }

  /** Resolves once everything that was committed before the call is known here. Throws 503 like {@link fresh}. */
  catchUp(): Promise<void> {
    const asked = this.clock.monotonic();
    return this.lookUntil(() => this.lease.coversFrom(asked));
  }

  private async lookUntil(known: () => boolean, within = PATIENCE): Promise<void> {
    const start = this.clock.monotonic();
    let failure: unknown = new Error('the feed answers too slowly');
    while (!known()) {
      if (this.stopped) throw unavailable(new Error('the node is stopping'));
      if (this.clock.monotonic() - start >= within) throw unavailable(failure);
      try {
        await this.poll();
      } catch (error) {
        failure = error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  /** Makes this node refuse at once what a committed transaction has revoked, and hints the others to look. */
  publish(entries: readonly RevocationEntry[]): void {
    for (const entry of entries) this.revoked.add(entry);
    this.announce();
  }

  /**
   * Hints the other nodes to look now. Outside any writing transaction and coalesced: a commit with a NOTIFY in it takes
   * a lock on the whole server. A lost hint costs at most one polling interval.
   */
  announce(): void {
    if (this.announcing) return;
    this.announcing = true;
    setTimeout(() => {
      this.announcing = false;
      this.database.query(`SELECT pg_notify('tandem', '')`).catch(() => undefined);
    }, 5).unref();
  }

  /** One look, shared by all who want one while it runs; a hint during it asks for another. */
  private poll(): Promise<void> {
    this.polling ??= this.look().finally(() => {
      this.polling = undefined;
      if (this.hinted && !this.stopped) void this.poll().catch(() => undefined);
    });
    return this.polling;
  }

  private async look(): Promise<void> {
    if (this.stopped) throw new Error('the node is stopping');
    this.hinted = false;
    const sent = this.lease.now();
    const page = await this.readAll();
    this.offset = page.now - sent.monotonic;
    this.lease.renew(sent);
  }

  /** Reads what is new, or on another server than before everything: where the last look ended means nothing there. */
  private async readAll(): Promise<FeedPage> {
    try {
      const server = await this.connection.open();
      const moved = this.server !== undefined && server !== this.server;
      const page = await this.read(moved ? '0' : this.horizon);
      for (let { next } = page; next !== undefined;) ({ next } = await this.read(next));
      await this.followers.reloadChanged(page.versions, moved);
      if (moved && BigInt(page.horizon) < BigInt(this.horizon)) this.logger.error(LOST);
      this.server = server;
      this.horizon = page.horizon;
      return page;
    } catch (error) {
      this.database.dropIdle();
      throw error;
    }
  }

  private async read(from: string): Promise<FeedPage> {
    const page = await this.connection.read(this.store, from);
    for (const entry of page.entries) this.revoked.add(entry);
    return page;
  }
}
