import { hash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { Clock } from '../common/clock.js';
import { refuse } from '../common/common.errors.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { BlockedKeys } from './blocked-keys.js';
import { termsOf } from './counted-call.js';
import type { CountedCall, CountedResult, QuotaTerms } from './counted-call.js';
import { allowed, refused, usage } from './limit-outcome.js';
import type { LimitOutcome, Quota } from './limit-outcome.js';
import { RateLimitStore } from './limits.store.js';
import { rateLimitHeaders } from './rate-limit.headers.js';
import { Refunds } from './refunds.js';

/** What is counted apart from everything else. A bucket always has the same quota. */
export type Bucket = AddressBucket | SubjectBucket;

/** The subjects are the addresses of clients, and the networks that these are in. */
export type AddressBucket =
  'login' | 'session_login' | 'refresh' | 'exchange' | 'downgrade' | 'password' | 'client';

/** Each has subjects of one kind, so that no text of one kind can pass for another. */
export type SubjectBucket =
  /** Names of accounts: logins from unknown devices. */
  | 'account'
  /** Ids of token families and of sessions: passwords tried on known devices. */
  | 'device_family'
  | 'device_session'
  /** Ids of users: all logins from known devices. */
  | 'device_user'
  /** Ids of token families; for repeats with the generation. */
  | 'refresh_family'
  | 'refresh_repeat'
  | 'downgrade_family'
  /** Ids of sessions. */
  | 'exchange_session';

interface Caller {
  readonly resolve: (outcome: LimitOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/** The calls of one key on this node: one statement at a time, those that come meanwhile share the next one. */
interface Queue {
  waiting: Caller[];
  /** A call was given back while the statement ran: what it says of a full window is out of date. */
  refunded: boolean;
}

/**
 * 16 bytes in hex of SHA-256: fixed in size. No secret goes into it, which would have to be the same on every node and at
 * every moment of its replacement, or the limit would be admitted twice.
 */
function keyOf(bucket: Bucket, subject: string): string {
  return hash('sha256', `${bucket}\0${subject}`, 'hex').slice(0, 32);
}

/** The 429 `rate_limited` with the RateLimit headers of what was asked for. */
export function tooMany(bucket: Bucket, outcome: LimitOutcome) {
  return refuse('rate_limited', { headers: rateLimitHeaders(bucket, outcome) });
}

/**
 * Rate limits shared by all nodes. The quota is `AUTH_RATE_LIMIT` per `AUTH_RATE_WINDOW` unless one is given.
 *
 * A subject known to be blocked is answered from a bounded memory, without I/O and never for longer than the database said.
 * A flood from one subject occupies one connection of this node at most. Throws DatabaseUnavailable when nothing is known.
 */
@Injectable()
export class RateLimitService implements OnApplicationShutdown {
  private readonly quota: Quota;
  private readonly terms: QuotaTerms;
  private readonly memory: BlockedKeys;
  private readonly queues = new Map<string, Queue>();
  private readonly refunds = new Refunds((calls) => this.store.refund(calls, this.quota));

  constructor(
    private readonly store: RateLimitStore,
    private readonly clock: Clock,
    @Inject(CONFIG) config: Config,
  ) {
    this.quota = { limit: config.authRateLimit, windowSeconds: config.authRateWindow };
    this.terms = termsOf(this.quota);
    this.memory = new BlockedKeys(clock);
  }

  /** Counts one call, if there is room for it. A call that is refused does not count. */
  hit(bucket: Bucket, subject: string, quota: Quota = this.quota): Promise<LimitOutcome> {
    const key = keyOf(bucket, subject);
    const wait = this.memory.remaining(key);
    if (wait !== undefined) return Promise.resolve(refused(quota, wait));
    return new Promise((resolve, reject) => {
      const queue = this.queues.get(key);
      if (queue !== undefined) {
        queue.waiting.push({ resolve, reject });
        return;
      }
      const opened: Queue = { waiting: [{ resolve, reject }], refunded: false };
      this.queues.set(key, opened);
      void this.work(key, opened, quota);
    });
  }

  /** Counts one call, or throws the 429 `rate_limited` with `Retry-After` and the RateLimit headers. */
  async enforce(bucket: Bucket, subject: string, quota: Quota = this.quota): Promise<LimitOutcome> {
    const outcome = await this.hit(bucket, subject, quota);
    if (!outcome.allowed) throw tooMany(bucket, outcome);
    return outcome;
  }

  /** Whether a call is known to be refused, without asking anybody. */
  isBlocked(bucket: Bucket, subject: string): boolean {
    return this.memory.remaining(keyOf(bucket, subject)) !== undefined;
  }

  /**
   * Counts one call in the statement that does what is limited: neither happens without the other. Undefined if the statement had
   * nothing to do and counted nothing. Throws as {@link enforce} does. For buckets of which no call is given back.
   */
  async enforceWithin<T>(
    bucket: Bucket,
    subject: string,
    statement: (call: CountedCall) => Promise<CountedResult<T> | undefined>,
  ): Promise<T | undefined> {
    const key = keyOf(bucket, subject);
    const wait = this.memory.remaining(key);
    if (wait !== undefined) throw tooMany(bucket, refused(this.quota, wait));
    const sent = this.clock.monotonic();
    const result = await statement({ ...this.terms, key: Buffer.from(key, 'hex') });
    if (result?.full === undefined) return result?.done;
    const { resetMs } = usage(result.full, this.quota);
    this.memory.block(key, sent, resetMs);
    if (result.done === undefined) throw tooMany(bucket, refused(this.quota, resetMs));
    return result.done;
  }

  /**
   * Gives back a call that turned out not to count, such as a password that was right. Known at once to this node's next
   * call for the subject, a moment later to others. Of calls under a quota with the window of the configuration only.
   */
  refund(bucket: Bucket, subject: string): void {
    const key = keyOf(bucket, subject);
    this.refunds.add(key);
    this.memory.release(key);
    const queue = this.queues.get(key);
    if (queue !== undefined) queue.refunded = true;
  }

  onApplicationShutdown(): Promise<void> {
    return this.refunds.drain();
  }

  private async work(key: string, queue: Queue, quota: Quota): Promise<void> {
    let callers: Caller[] = [];
    try {
      while (queue.waiting.length > 0) {
        callers = queue.waiting;
        queue.waiting = [];
        const outcomes = await this.ask(key, queue, quota, callers.length);
        callers.forEach((caller, index) => caller.resolve(outcomes(index)));
      }
    } catch (error) {
      // Those who came meanwhile would wait for the same time-out again.
      for (const caller of [...callers, ...queue.waiting]) caller.reject(error);
    } finally {
      this.queues.delete(key);
    }
  }

  /** The outcome for the first, second, … of so many callers at once. */
  private async ask(
    key: string,
    queue: Queue,
    quota: Quota,
    wanted: number,
  ): Promise<(index: number) => LimitOutcome> {
    const wait = this.memory.remaining(key);
    if (wait !== undefined) return () => refused(quota, wait);
    if (this.refunds.concerns(key)) await this.refunds.settle(key);
    const sent = this.clock.monotonic();
    queue.refunded = false;
    const { admitted, remaining, resetMs } = await this.store.consume(Buffer.from(key, 'hex'), wanted, quota);
    if (remaining === 0 && !queue.refunded) this.memory.block(key, sent, resetMs);
    return (index) =>
      index < admitted ? allowed(quota, remaining + admitted - 1 - index, resetMs) : refused(quota, resetMs);
  }
}
