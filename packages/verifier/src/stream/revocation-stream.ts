import { StatusError, unref } from '../service/bounded-fetch.js';
import type { Fetch } from '../service/bounded-fetch.js';
import type { VerifiedToken } from '../token.js';
import { Connection, OtherIncarnation } from './connection.js';
import { StreamError } from './event-parser.js';
import { Knowledge } from './knowledge.js';
import { SYSTEM_CLOCKS } from './lease.js';
import type { Clocks } from './lease.js';

/** The service ends the stream after ten minutes. Before that we open the next one, so that the lease has no gap. */
const RENEW_AFTER_MS = 540_000;

/** Milliseconds before the next attempt: after a connection that worked, and at most. */
const BACK_OFF = { least: 50, most: 10_000 } as const;

/** A connection that ends sooner did not work. */
const WORKED_MS = 5_000;

export interface RevocationStreamOptions {
  readonly fetch: Fetch;
  /** Finds the address of the stream. */
  readonly locate: () => Promise<string>;
  /** The value of `Authorization`. */
  readonly authorization: string;
  /** Receives the keys that the service trusts. */
  readonly onKeys?: (kids: readonly string[]) => void;
  readonly clocks?: Clocks;
  readonly renewAfterMs?: number;
}

/**
 * Follows the service's revocations. It reconnects with back-off and jitter, and continues where it was. While {@link isFresh} is false,
 * only the service knows whether a token is revoked.
 *
 * There is at most one connection whose snapshot is complete, and one that is to follow it.
 */
export class RevocationStream {
  private readonly clocks: Clocks;
  private knowledge = new Knowledge();
  /** The connection that gives the lease. */
  private current: { readonly connection: Connection; readonly since: number } | undefined;
  private next: Connection | undefined;
  /** The next connection is being opened, or will be. */
  private opening = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private delay: number = BACK_OFF.least;
  private failure: unknown;
  private closed = false;
  private waiting: (() => void)[] = [];

  constructor(private readonly options: RevocationStreamOptions) {
    this.clocks = options.clocks ?? SYSTEM_CLOCKS;
  }

  start(): void {
    this.openAfter(0);
  }

  /** Whether {@link isRevoked} may be trusted now. */
  isFresh(): boolean {
    return this.current?.connection.isFresh() === true;
  }

  isRevoked(token: VerifiedToken): boolean {
    return this.knowledge.isRevoked(token);
  }

  /** The database's clock, in seconds. Meaningful while the stream is fresh. */
  databaseTime(): number {
    return this.knowledge.databaseTime(this.clocks.monotonic());
  }

  /** Resolves as soon as the stream is fresh, or when an attempt to follow it has failed: then with the failure. */
  settled(): Promise<unknown> {
    if (this.isFresh()) return Promise.resolve(undefined);
    if (this.closed) return Promise.resolve(this.failure);
    return new Promise((resolve) =>
      this.waiting.push(() => resolve(this.isFresh() ? undefined : this.failure)),
    );
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.current?.connection.close();
    this.next?.close();
    this.current = this.next = undefined;
    this.failure = new Error('the verifier was closed');
    this.wake();
  }

  private openAfter(ms: number): void {
    if (this.closed || this.opening) return;
    this.opening = true;
    clearTimeout(this.timer);
    this.timer = unref(setTimeout(() => void this.open(), ms));
  }

  private async open(): Promise<void> {
    let connection: Connection | undefined;
    try {
      const url = await this.options.locate();
      if (this.closed) return;
      const { fetch, authorization } = this.options;
      const { clocks, knowledge } = this;
      const onEvent = (source: Connection) => this.take(source);
      const onKeys = this.options.onKeys;
      connection = new Connection({ fetch, url, authorization, clocks, knowledge, onEvent, onKeys });
      this.next = connection;
      await connection.follow();
      this.ended(connection, new Error('the stream has ended'));
    } catch (error) {
      this.ended(connection, error);
    }
  }

  private take(connection: Connection): void {
    if (this.closed || !connection.isComplete) return;
    if (connection === this.next) this.adopt(connection);
    if (this.isFresh()) this.wake();
  }

  /** The connection knows everything: it takes the place of the one before. */
  private adopt(connection: Connection): void {
    const before = this.current?.connection;
    this.current = { connection, since: this.clocks.monotonic() };
    this.next = undefined;
    this.opening = false;
    before?.close();
    const renewAfter = this.options.renewAfterMs ?? RENEW_AFTER_MS;
    // Consumers that started together do not renew together.
    this.timer = unref(setTimeout(() => this.openAfter(0), renewAfter * (0.9 + Math.random() / 10)));
  }

  private ended(connection: Connection | undefined, failure: unknown): void {
    if (this.closed) return;
    const isCurrent = connection !== undefined && connection === this.current?.connection;
    // It was replaced before it ended.
    if (!isCurrent && connection !== this.next) return;
    this.failure = failure;
    if (isCurrent) {
      if (this.clocks.monotonic() - this.current!.since >= WORKED_MS) this.delay = BACK_OFF.least;
      this.current = undefined;
    } else {
      this.next = undefined;
      this.opening = false;
    }
    if (failure instanceof StreamError && (isCurrent || failure instanceof OtherIncarnation))
      this.startAnew();
    this.openAfter(this.backOff(failure));
    this.wake();
  }

  /** What we know may be wrong or of another database. */
  private startAnew(): void {
    this.knowledge = new Knowledge();
    const { current, next } = this;
    this.current = undefined;
    current?.connection.close();
    next?.close();
  }

  private backOff(failure: unknown): number {
    const asked = failure instanceof StatusError ? failure.retryAfterMs : 0;
    const delay = Math.max(this.delay, Math.min(asked, BACK_OFF.most));
    this.delay = Math.min(this.delay * 2, BACK_OFF.most);
    return delay * (0.5 + Math.random());
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}
