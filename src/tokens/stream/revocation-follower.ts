import { Readable } from 'node:stream';
import type { RevocationLog } from './revocation-log.js';
import type { RevocationSnapshot } from './revocation-snapshot.js';

/** Bytes in memory for a consumer that reads slowly. All else that waits for it is shared with the others. */
const HIGH_WATER_MARK = 64 * 1024;

/** Events of a snapshot that are sent before the event loop serves others: about 260 kB. */
const EVENTS_PER_TURN = 4;

/** Why a stream has ended. */
export type StreamEnd =
  | 'expired'
  /** The consumer closed it. */
  | 'closed'
  | 'slow'
  /** The client has another secret, or may no longer follow. */
  | 'client_changed'
  | 'stale'
  | 'shutdown';

/** An event that replaces the one with a lower number. */
export interface CurrentEvent {
  readonly number: number;
  readonly bytes: Buffer;
}

/** What all streams of a node send. */
export interface StreamSource {
  readonly log: RevocationLog;
  /** The events `keys` and `revoked` for the key ring. */
  readonly keys: CurrentEvent;
  /** The event `fresh` of the last complete poll; undefined while the node is stale. */
  readonly fresh: CurrentEvent | undefined;
  /** A snapshot from whose place on the log has everything. */
  snapshot(): RevocationSnapshot;
  now(): number;
  /** Receives the number of bytes that were sent. */
  sent(bytes: number): void;
}

/** The client that follows, and the secret that it presented. */
export interface Consumer {
  readonly clientId: string;
  /** The hash of the secret. */
  readonly credential: string;
}

/**
 * One stream of revocations to a consumer. It sends events only as fast as the consumer reads them: first a snapshot or the log from the
 * consumer's position on, then the keys, then what is new. It sends `fresh` only after everything that was known at the last poll.
 */
export class RevocationFollower extends Readable {
  readonly openedAt: number;
  /** Why the stream has ended. */
  reason: StreamEnd = 'closed';
  private snapshot: RevocationSnapshot | undefined;
  private event = 0;
  private keys = 0;
  private fresh = 0;
  private isBlocked = false;
  private isWaiting = false;
  private hasEnded = false;
  private checks = 0;

  /** `place`: where to begin in the log; undefined for a snapshot. */
  constructor(
    readonly consumer: Consumer,
    hello: Buffer,
    private readonly source: StreamSource,
    private place: number | undefined,
  ) {
    super({ highWaterMark: HIGH_WATER_MARK });
    this.openedAt = source.now();
    this.send(hello);
  }

  /** Sends what is new, unless the consumer has not read what was sent before. */
  advance(): void {
    while (!this.isBlocked && !this.isWaiting && !this.hasEnded) {
      const bytes = this.next();
      if (bytes === undefined) return;
      this.send(bytes);
      if (this.snapshot !== undefined && this.event % EVENTS_PER_TURN === 0) this.letOthersRun();
    }
  }

  /** Ends the stream after what was sent. Does nothing if it has ended. */
  finish(reason: StreamEnd): void {
    if (this.hasEnded || this.destroyed) return;
    this.hasEnded = true;
    this.reason = reason;
    this.push(null);
  }

  /** Ends the stream at once. What the consumer has not read is lost. */
  cut(reason: StreamEnd): void {
    if (!this.hasEnded) this.reason = reason;
    // With an error, because the answer is not complete.
    this.destroy(new Error(`the stream of revocations was cut: ${this.reason}`));
  }

  /**
   * How many calls of this method in a row have found that the consumer does not read what waits for it. Calls are counted and not time: a
   * pause of this process is no fault of the consumer.
   */
  countBlocked(): number {
    this.checks = this.isBlocked || this.hasEnded ? this.checks + 1 : 0;
    return this.checks;
  }

  /** Whether the log has dropped something that the consumer has not read. */
  get isBehind(): boolean {
    return !this.source.log.has(this.place ?? Infinity);
  }

  override _read(): void {
    this.isBlocked = false;
    this.checks = 0;
    this.advance();
  }

  /** A fast consumer takes each event at once, so a large snapshot would occupy the event loop until its end. */
  private letOthersRun(): void {
    this.isWaiting = true;
    setImmediate(() => {
      this.isWaiting = false;
      if (!this.destroyed) this.advance();
    });
  }

  private next(): Buffer | undefined {
    return this.nextOfSnapshot() ?? this.nextOfLog() ?? this.nextKeys() ?? this.nextFresh();
  }

  /** A consumer that is behind the log, although it reads, gets a snapshot. It only adds revocations. */
  private nextOfSnapshot(): Buffer | undefined {
    if (this.snapshot === undefined && (this.place === undefined || this.isBehind)) {
      this.snapshot = this.source.snapshot();
      this.place = this.snapshot.place;
      this.event = 0;
    }
    const bytes = this.snapshot?.event(this.event);
    this.event += 1;
    if (bytes === undefined) this.snapshot = undefined;
    return bytes;
  }

  private nextOfLog(): Buffer | undefined {
    // The log may have dropped events while the consumer read the snapshot.
    const again = this.isBehind ? this.nextOfSnapshot() : undefined;
    if (again !== undefined) return again;
    const read = this.source.log.read(this.place!);
    this.place = read?.next ?? this.place;
    return read?.bytes;
  }

  private nextKeys(): Buffer | undefined {
    const { number, bytes } = this.source.keys;
    if (number === this.keys) return undefined;
    this.keys = number;
    return bytes;
  }

  private nextFresh(): Buffer | undefined {
    const { fresh } = this.source;
    if (fresh === undefined || fresh.number === this.fresh) return undefined;
    this.fresh = fresh.number;
    return fresh.bytes;
  }

  private send(bytes: Buffer): void {
    this.source.sent(bytes.length);
    this.isBlocked = !this.push(bytes);
  }
}
