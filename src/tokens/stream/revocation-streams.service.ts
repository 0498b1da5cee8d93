import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { BackgroundLoops } from '../../common/background-loops.js';
import type { BackgroundLoop } from '../../common/background-loops.js';
import { Clock } from '../../common/clock.js';
import { unavailable } from '../../common/common.errors.js';
import { ChangeFeed } from '../feed/change-feed.js';
import type { CompletePoll, FeedFollower } from '../feed/change-feed.js';
import { DatabaseClock } from '../feed/database-clock.js';
import { RevocationList } from '../feed/revocation-list.js';
import type { FeedEntry } from '../feed/revocation.store.js';
import { KeyRingService } from '../keys/key-ring.service.js';
import { RevocationFollower } from './revocation-follower.js';
import type { Consumer, CurrentEvent, StreamEnd, StreamSource } from './revocation-follower.js';
import { RevocationLog } from './revocation-log.js';
import { RevocationSnapshot } from './revocation-snapshot.js';
import { eventFrame, keyRevocationJson, revokedFrames } from './stream-frame.js';
import { formatPosition, incarnationOf, parsePosition } from './stream-position.js';
import type { StreamPosition } from './stream-position.js';

/** The server ends a stream after this time, and the consumer reconnects. */
const MAX_AGE_MS = 600_000;

/** How many checks in a row a consumer may be blocked before it loses its stream: five seconds. */
const BLOCKED_LIMIT = 50;

/** The limit if more than the whole log, 1 MiB, waits for the consumer: three seconds, because a busy consumer may pause for one. */
const BEHIND_LIMIT = 30;

/** The streams of a node that has been stale for this time end, so that their consumers find another node. */
const STALE_LIMIT_MS = 10_000;

/** New streams share a snapshot for this time. */
const SNAPSHOT_AGE_MS = 10_000;

const CHECK_INTERVAL_MS = 100;

/** `fresh` is repeated after this time without a poll, so that a consumer gets one at least every 300 ms. */
const REPEAT_AFTER_MS = 150;

/**
 * The streams of revocations to other services. One event is serialised once for all of them.
 *
 * A position consists of the server of the database and a transaction: the consumer knows everything that older transactions have
 * committed. So it means the same on every node, although each node polls for itself.
 */
@Injectable()
export class RevocationStreams implements StreamSource, FeedFollower, OnModuleInit {
  readonly log = new RevocationLog();
  /** How many streams have ended, by reason. */
  readonly ended: Record<StreamEnd, number> = {
    expired: 0,
    closed: 0,
    slow: 0,
    client_changed: 0,
    stale: 0,
    shutdown: 0,
  };
  /** The number of bytes sent. */
  bytes = 0;
  private readonly followers = new Set<RevocationFollower>();
  private readonly loop: BackgroundLoop;
  private keysEvent: CurrentEvent = { number: 0, bytes: Buffer.alloc(0) };
  private freshEvent: CurrentEvent = { number: 0, bytes: Buffer.alloc(0) };
  private freshMadeAt = -Infinity;
  private lastFreshAt = -Infinity;
  private shared: RevocationSnapshot | undefined;
  private position: StreamPosition | undefined;
  private asOf = 0;
  private closing = false;

  constructor(
    private readonly feed: ChangeFeed,
    private readonly list: RevocationList,
    private readonly ring: KeyRingService,
    private readonly databaseClock: DatabaseClock,
    private readonly clock: Clock,
    loops: BackgroundLoops,
  ) {
    feed.follow(this);
    ring.onChange(() => this.keysChanged());
    const failure = 'failed to check the streams of revocations; will retry';
    const run = () => this.check();
    this.loop = loops.create({ name: 'revocation-streams', everyMs: CHECK_INTERVAL_MS, failure, run });
  }

  onModuleInit(): void {
    this.loop.start();
  }

  /** The number of open streams, of one client or of all. */
  count(clientId?: string): number {
    if (clientId === undefined) return this.followers.size;
    return [...this.followers].filter(({ consumer }) => consumer.clientId === clientId).length;
  }

  /** Returns the ids of the clients that follow. */
  clients(): Set<string> {
    return new Set([...this.followers].map(({ consumer }) => consumer.clientId));
  }

  /**
   * Opens a stream. `arrivedAt`: a moment of the monotonic clock after the request arrived. `lastEventId`: where the consumer left off.
   * Throws 503 if the node is stopping.
   */
  open(consumer: Consumer, arrivedAt: number, lastEventId: string | undefined): RevocationFollower {
    if (this.closing) throw unavailable(undefined);
    if (this.keysEvent.number === 0) this.keysChanged();
    const hello = eventFrame('hello', JSON.stringify({ now: arrivedAt }));
    const follower = new RevocationFollower(consumer, hello, this, this.placeOf(parsePosition(lastEventId)));
    this.followers.add(follower);
    follower.on('error', () => undefined);
    follower.once('close', () => {
      this.followers.delete(follower);
      this.ended[follower.reason] += 1;
    });
    this.makeFresh();
    return follower;
  }

  /** Ends the streams of the client, except those that were opened with `credential`. */
  endAll(clientId: string, credential?: string): void {
    for (const follower of this.followers) {
      const { consumer } = follower;
      if (consumer.clientId === clientId && consumer.credential !== credential)
        follower.finish('client_changed');
    }
  }

  /** Ends every stream and opens no other. */
  close(): void {
    this.closing = true;
    for (const follower of this.followers) follower.finish('shutdown');
  }

  get keys(): CurrentEvent {
    return this.keysEvent;
  }

  get fresh(): CurrentEvent | undefined {
    return this.feed.isFresh() && this.freshEvent.number > 0 ? this.freshEvent : undefined;
  }

  snapshot(): RevocationSnapshot {
    const { shared } = this;
    if (shared !== undefined && this.log.has(shared.place) && this.now() - shared.madeAt < SNAPSHOT_AGE_MS)
      return shared;
    return (this.shared = new RevocationSnapshot(this.list, this.log.end, this.now()));
  }

  now(): number {
    return this.clock.monotonic();
  }

  sent(bytes: number): void {
    this.bytes += bytes;
  }

  restarted(): void {
    this.position = undefined;
    this.log.restart();
  }

  read(entries: readonly FeedEntry[]): void {
    this.log.append(entries, this.position && formatPosition(this.position));
    this.advance();
  }

  polled({ asOf, server, horizon }: CompletePoll): void {
    this.asOf = asOf;
    this.position = { incarnation: incarnationOf(server), horizon };
    this.makeFresh();
    this.advance();
  }

  /** A node that has not reached the position, or lacks something since then, sends a snapshot. */
  private placeOf(position: StreamPosition | undefined): number | undefined {
    if (position === undefined || position.incarnation !== this.position?.incarnation) return undefined;
    return position.horizon > this.position.horizon ? undefined : this.log.placeOf(position.horizon);
  }

  private advance(): void {
    for (const follower of this.followers) follower.advance();
  }

  private makeFresh(): void {
    if (this.position === undefined || this.followers.size === 0 || !this.feed.isFresh()) return;
    const data = { as_of: this.asOf, db_time: Math.floor(this.databaseClock.now()) / 1000 };
    const bytes = eventFrame('fresh', JSON.stringify(data), formatPosition(this.position));
    this.freshEvent = { number: this.freshEvent.number + 1, bytes };
    this.freshMadeAt = this.now();
  }

  /** Distrusted keys are repeated with each change of the ring: there are few. */
  private keysChanged(): void {
    const { version, trusted, distrusted } = this.ring.trust;
    const live = distrusted.filter(({ expires }) => expires > this.databaseClock.now());
    const keys = eventFrame('keys', JSON.stringify({ version, keys: trusted }));
    const bytes = Buffer.concat([...revokedFrames(live.map(keyRevocationJson)), keys]);
    this.keysEvent = { number: this.keysEvent.number + 1, bytes };
    this.advance();
  }

  private check(): void {
    const now = this.now();
    const isFresh = this.feed.isFresh();
    if (isFresh) this.lastFreshAt = now;
    if (now - this.freshMadeAt >= REPEAT_AFTER_MS) {
      this.makeFresh();
      this.advance();
    }
    if (this.shared !== undefined && now - this.shared.madeAt >= SNAPSHOT_AGE_MS) this.shared = undefined;
    for (const follower of this.followers) {
      if (follower.countBlocked() >= (follower.isBehind ? BEHIND_LIMIT : BLOCKED_LIMIT)) follower.cut('slow');
      else if (now - follower.openedAt >= MAX_AGE_MS) follower.finish('expired');
      else if (!isFresh && now - this.lastFreshAt >= STALE_LIMIT_MS) follower.finish('stale');
    }
  }
}
