import { AsyncLocalStorage } from 'node:async_hooks';
import { Injectable, Logger } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { BackgroundLoops } from '../../common/background-loops.js';
import type { BackgroundLoop } from '../../common/background-loops.js';
import { Clock } from '../../common/clock.js';
import { unavailable } from '../../common/common.errors.js';
import { Database } from '../../database/database.js';
import { DatabaseClock } from './database-clock.js';
import { FeedConnection } from './feed-connection.js';
import { Lease } from './lease.js';
import { RevocationList } from './revocation-list.js';
import type { RevocationEntry } from './revocation-list.js';
import { NOTHING_SEEN, RevocationStore, horizonOf } from './revocation.store.js';
import type { FeedEntry, FeedPage } from './revocation.store.js';

const POLL_INTERVAL_MS = 200;

/** How long a starting node tries to read the feed before it gives up. */
const START_TIMEOUT_MS = 15_000;

/** How long a request waits for a stale node to become fresh before it is answered 503. */
const FRESH_TIMEOUT_MS = 2_000;

const RETRY_DELAY_MS = 50;

/** Hints within this time are sent as one. */
const HINT_DELAY_MS = 5;

const LOST =
  'the database has lost commits: a standby was promoted that lacked them, or it was restored (docs/operations/backup-and-restore.md)';

/** The result of a complete poll. */
export interface CompletePoll {
  /** Everything that was committed before this moment of the node's monotonic clock has been read. */
  readonly asOf: number;
  /** Identifies the database and its server. A horizon means nothing at another one. */
  readonly server: string;
  /** Everything that older transactions have committed has been read. */
  readonly horizon: number;
}

/** Receives what polls read. Its methods are called in this order and must not throw. */
export interface FeedFollower {
  /** The poll reads the whole feed: at the start, and on another server than before. It is called again if the poll is repeated. */
  restarted(): void;

  /** The entries of one page. Some may be read twice. */
  read(entries: readonly FeedEntry[]): void;

  polled(poll: CompletePoll): void;
}

/**
 * How a node learns what other nodes have changed. It polls the database every 200 ms, and at once when another node sends a hint
 * (NOTIFY). Revocations go to the {@link RevocationList}. For everything else there are topics: if the version of a topic has changed, its
 * subscriber reads again.
 *
 * Each complete poll renews the {@link Lease}. While the lease lasts, the node is fresh. A stale node must not accept a token:
 * the request waits for the next poll, or gets 503 (fail closed).
 */
@Injectable()
export class ChangeFeed implements OnApplicationShutdown {
  private readonly logger = new Logger(ChangeFeed.name);
  private readonly connection: FeedConnection;
  private readonly loop: BackgroundLoop;
  private readonly subscribers = new Map<string, () => Promise<void>>();
  private readonly followers: FeedFollower[] = [];
  private versions: FeedPage['versions'] = {};
  /** The snapshot of the last complete poll. The next one reads the rest. */
  private seen = NOTHING_SEEN;
  /** The server that answered the last complete poll. */
  private server: string | undefined;
  private readonly lease: Lease;
  private polling: Promise<void> | undefined;
  private hintReceived = false;
  private hintPending = false;
  private stopped = false;
  /**
   * Polls belong to no request, even if one has asked for the poll: their connection passes its asynchronous context on to everything
   * that arrives over it later.
   */
  private readonly outsideRequests = AsyncLocalStorage.snapshot();

  constructor(
    store: RevocationStore,
    private readonly database: Database,
    private readonly revocations: RevocationList,
    private readonly databaseClock: DatabaseClock,
    private readonly clock: Clock,
    loops: BackgroundLoops,
  ) {
    this.lease = new Lease(clock);
    this.loop = loops.create({
      name: 'revocation-feed',
      everyMs: POLL_INTERVAL_MS,
      firstMs: POLL_INTERVAL_MS,
      failure: 'the revocation feed did not answer',
      run: () => this.poll(),
    });
    this.connection = new FeedConnection(database, store, () => {
      this.hintReceived = true;
      void this.poll().catch(() => undefined);
    });
  }

  /** Calls `reload` when the version of `topic` has changed. The node is not fresh again until `reload` has succeeded. */
  subscribe(topic: string, reload: () => Promise<void>): void {
    this.subscribers.set(topic, reload);
  }

  /** Tells `follower` what the polls read from now on. */
  follow(follower: FeedFollower): void {
    this.followers.push(follower);
  }

  /**
   * Resolves when this node knows everything that is revoked now, and then keeps polling. A process without background work polls only
   * when it is asked. Tries for 15 s, then throws 503.
   */
  async start(): Promise<void> {
    await this.pollUntil(() => this.server !== undefined, START_TIMEOUT_MS);
    this.loop.start();
  }

  onApplicationShutdown(): void {
    this.stopped = true;
    void this.loop.stop();
    this.connection.close();
  }

  /** Whether the lease lasts. */
  isFresh(): boolean {
    return this.lease.isFresh();
  }

  /** Milliseconds since the last complete poll was sent: how old this node's knowledge is. Undefined before the first one. */
  age(): number | undefined {
    return this.lease.age();
  }

  /** Resolves when the node is fresh. Throws 503 if the database does not answer within 2 s. */
  untilFresh(): Promise<void> {
    return this.pollUntil(() => this.isFresh());
  }

  /** Resolves when this node knows everything that was committed before the call. Throws 503 like {@link untilFresh}. */
  catchUp(): Promise<void> {
    const asked = this.clock.monotonic();
    return this.pollUntil(() => this.lease.coversFrom(asked));
  }

  /** Makes this node refuse at once what a committed transaction has revoked, and hints to the other nodes. */
  publish(entries: readonly RevocationEntry[]): void {
    for (const entry of entries) this.revocations.add(entry);
    this.hint();
  }

  /**
   * Tells the other nodes to poll now. A lost hint costs at most one polling interval. Hints are coalesced and sent outside of any
   * writing transaction, because a commit that contains a NOTIFY takes a lock on the whole server.
   */
  hint(): void {
    if (this.hintPending) return;
    this.hintPending = true;
    setTimeout(() => {
      this.hintPending = false;
      this.database.query(`SELECT pg_notify('tandem', '')`).catch(() => undefined);
    }, HINT_DELAY_MS).unref();
  }

  private async pollUntil(done: () => boolean, timeoutMs = FRESH_TIMEOUT_MS): Promise<void> {
    const start = this.clock.monotonic();
    let failure: unknown = new Error('the feed answers too slowly');
    while (!done()) {
      if (this.stopped) throw unavailable(new Error('the node is stopping'));
      if (this.clock.monotonic() - start >= timeoutMs) throw unavailable(failure);
      try {
        await this.poll();
      } catch (error) {
        failure = error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY_MS));
      }
    }
  }

  /** Callers share the poll that is running. A hint that arrives during it causes another one. */
  private poll(): Promise<void> {
    this.polling ??= this.outsideRequests(() =>
      this.pollOnce().finally(() => {
        this.polling = undefined;
        if (this.hintReceived && !this.stopped) void this.poll().catch(() => undefined);
      }),
    );
    return this.polling;
  }

  private async pollOnce(): Promise<void> {
    if (this.stopped) throw new Error('the node is stopping');
    this.hintReceived = false;
    const sent = this.lease.now();
    const { now, server, horizon } = await this.readChanges();
    this.databaseClock.synchronize(now, sent.monotonic);
    this.lease.renew(sent);
    for (const follower of this.followers) follower.polled({ asOf: sent.monotonic, server, horizon });
  }

  /**
   * Reads what is new. On another server than before it reads everything: what was seen means nothing there. Returns what the
   * first page says.
   */
  private async readChanges(): Promise<{ now: number; server: string; horizon: number }> {
    try {
      const server = await this.connection.open();
      const moved = this.server !== undefined && server !== this.server;
      const seen = moved ? NOTHING_SEEN : this.seen;
      if (seen === NOTHING_SEEN) for (const follower of this.followers) follower.restarted();
      const page = await this.readPage(seen);
      for (let { next } = page; next !== undefined;) ({ next } = await this.readPage(seen, next));
      for (const [topic, reload] of this.subscribers) {
        if (moved || page.versions[topic] !== this.versions[topic]) await reload();
      }
      if (moved && horizonOf(page.snapshot) < horizonOf(this.seen)) this.logger.error(LOST);
      this.versions = page.versions;
      this.server = server;
      this.seen = page.snapshot;
      const horizon = Number(horizonOf(page.snapshot));
      return { now: page.now, server: `${page.installation} ${server}`, horizon };
    } catch (error) {
      this.database.dropIdle();
      throw error;
    }
  }

  private async readPage(seen: string, next?: string): Promise<FeedPage> {
    const page = await this.connection.read(seen, next);
    for (const entry of page.entries) this.revocations.add(entry);
    if (page.entries.length > 0) for (const follower of this.followers) follower.read(page.entries);
    return page;
  }
}
