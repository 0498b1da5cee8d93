import { Inject, Injectable } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { BackgroundLoops } from '../common/background-loops.js';
import type { BackgroundLoop } from '../common/background-loops.js';
import { Clock } from '../common/clock.js';
import { unavailable } from '../common/common.errors.js';
import { Database } from '../database/database.js';
import { DATABASE_URL } from '../database/database-url.js';
import type { VerifiedToken } from './access-token.js';
import { FeedConnection } from './feed-connection.js';
import { RevocationSet } from './revocation-set.js';
import type { RevocationEntry } from './revocation-set.js';
import { RevocationStore } from './revocation.store.js';
import type { FeedPage } from './revocation.store.js';

/** Between two looks, in milliseconds. */
const POLL_EVERY = 200;

/** How long a node may act on what it knows, from the moment it sent the look that brought it, in milliseconds. */
export const LEASE = 800;

/** How long a starting node tries to read the feed before it gives up, in milliseconds. */
const START_WITHIN = 15_000;

/** How long a request waits for fresh knowledge before it is answered 503, in milliseconds. */
const PATIENCE = 2_000;

const PRUNE_EVERY = 30_000;

type Reload = () => Promise<void>;

/**
 * A node's knowledge of what has been revoked anywhere. Complete before the node is ready, at most {@link LEASE} old
 * when it is used: past that every request waits for a new look at the database or gets 503 (fail closed).
 */
@Injectable()
export class RevocationFeed implements OnApplicationShutdown {
  private readonly revoked = new RevocationSet();
  private readonly followers = new Map<string, Reload>();
  private readonly connection: FeedConnection;
  private versions: Readonly<Record<string, number>> = {};
  private horizon = '0';
  private lease: { readonly wall: number; readonly monotonic: number } | undefined;
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
    @Inject(DATABASE_URL) url: string,
    loops: BackgroundLoops,
  ) {
    const failure = 'the revocation feed did not answer';
    const poll = () => this.poll();
    const prune = () => this.revoked.prune(this.now());
    this.loops = [
      loops.create({ name: 'revocation-feed', everyMs: POLL_EVERY, firstMs: POLL_EVERY, failure, run: poll }),
      loops.create({
        name: 'revocation-pruning',
        everyMs: PRUNE_EVERY,
        firstMs: PRUNE_EVERY,
        failure,
        run: prune,
      }),
    ];
    this.connection = new FeedConnection(url, () => {
      this.hinted = true;
      void this.poll().catch(() => undefined);
    });
  }

  /** Calls `reload` whenever the version of `topic` has changed, before the node counts as fresh again. */
  follow(topic: string, reload: Reload): void {
    this.followers.set(topic, reload);
  }

  /**
   * Resolves when everything that is revoked now is known here. From then on a node polls, and the command line asks when it
   * needs to. Tries again for {@link START_WITHIN}, then throws what the last attempt failed with.
   */
  async start(): Promise<void> {
    await this.firstLook();
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
    return this.revoked.has(token);
  }

  /** Both clocks must agree that little time has passed: one stands still while the machine sleeps, the other may jump. */
  isFresh(): boolean {
    if (this.lease === undefined) return false;
    const wall = this.clock.now() - this.lease.wall;
    return this.clock.monotonic() - this.lease.monotonic < LEASE && wall < LEASE && wall > -LEASE;
  }

  /** Resolves once the node is fresh. Throws 503 if the database does not make it so in time. */
  fresh(): Promise<void> {
    return this.lookUntil(() => this.isFresh());
  }

  /** Resolves once everything that was committed before the call is known here. Throws 503 like {@link fresh}. */
  catchUp(): Promise<void> {
    const asked = this.clock.monotonic();
    return this.lookUntil(() => this.lease !== undefined && this.lease.monotonic >= asked);
  }

  private async firstLook(): Promise<void> {
    for (const deadline = this.clock.monotonic() + START_WITHIN; ;) {
      try {
        return await this.poll();
      } catch (error) {
        if (this.stopped || this.clock.monotonic() >= deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, POLL_EVERY));
      }
    }
  }

  private async lookUntil(known: () => boolean): Promise<void> {
    const start = this.clock.monotonic();
    let failure: unknown = new Error('the feed answers too slowly');
    while (!known()) {
      if (this.clock.monotonic() - start >= PATIENCE || this.stopped) throw unavailable(failure);
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
    const sent = { wall: this.clock.now(), monotonic: this.clock.monotonic() };
    const page = await this.read(this.horizon);
    for (let { next } = page; next !== undefined;) ({ next } = await this.read(next));
    await this.reloadChanged(page.versions);
    this.horizon = page.horizon;
    this.offset = page.now - sent.monotonic;
    this.lease = sent;
  }

  private async read(from: string): Promise<FeedPage> {
    const page = await this.connection.read(this.store, from).catch((error: unknown) => {
      this.database.dropIdle();
      throw error;
    });
    for (const entry of page.entries) this.revoked.add(entry);
    return page;
  }

  private async reloadChanged(versions: Readonly<Record<string, number>>): Promise<void> {
    for (const [topic, reload] of this.followers) {
      if (versions[topic] !== this.versions[topic]) await reload();
    }
    this.versions = versions;
  }
}
