import { Inject, Injectable } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { Clock } from '../common/clock.js';
import { refuse } from '../common/common.errors.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import type { CountedCall, CountedResult } from './admission.sql.js';
import { BlockedKeys } from './blocked/blocked-keys.js';
import { BlockedSubjects } from './blocked/blocked-subjects.js';
import type { Bucket, CounterOwner } from './bucket.js';
import { counterKey } from './counter-key.js';
import { RateLimitStore } from './limits.store.js';
import { allowed, rateLimitHeaders, refused, termsOf, usage } from './quota.js';
import type { LimitOutcome, Quota, QuotaTerms } from './quota.js';
import { Refunds } from './refunds.js';

interface Caller {
  readonly resolve: (outcome: LimitOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/** What is counted. */
interface Counter {
  readonly key: string;
  readonly bucket: Bucket;
  readonly subject: string;
  readonly owner: CounterOwner | undefined;
  readonly quota: Quota;
}

/** The calls of one key on this node: one statement runs at a time, and calls that arrive meanwhile share the next one. */
interface Queue {
  waiting: Caller[];
  /** A call was refunded while the statement ran: its news that the window is full is out of date. */
  refunded: boolean;
}

/** Room for one call that its own statement counts: see {@link RateLimitService.open}. */
export interface RateLimitSlot {
  /** The parameters of the statement. */
  readonly call: CountedCall;
  /** Takes the result of the statement and returns what it did. Throws the 429 if there was no room. */
  settle<T>(result: CountedResult<T> | undefined): T | undefined;
}

/** The 429 `rate_limited` with the RateLimit headers of the outcome. */
export function tooMany(bucket: Bucket, outcome: LimitOutcome) {
  return refuse('rate_limited', { headers: rateLimitHeaders(bucket, outcome) });
}

/**
 * Rate limits shared by all nodes. The quota is `AUTH_RATE_LIMIT` per `AUTH_RATE_WINDOW` unless one is given.
 *
 * A blocked subject is refused from a bounded memory, without I/O and never for longer than the database said.
 * A flood from one subject occupies at most one connection of this node. Throws DatabaseUnavailable if the database does not answer
 * and the subject is not known to be blocked.
 */
@Injectable()
export class RateLimitService implements OnApplicationShutdown {
  private readonly quota: Quota;
  private readonly terms: QuotaTerms;
  private readonly memory: BlockedKeys;
  private readonly queues = new Map<string, Queue>();
  private readonly refusedCalls = new Map<Bucket, number>();
  /** How often {@link forgetBlocks} was called: the news of a statement that ran meanwhile are out of date. */
  private forgotten = 0;
  private readonly refunds = new Refunds((calls) => this.store.refund(calls, this.quota));

  constructor(
    private readonly store: RateLimitStore,
    private readonly clock: Clock,
    @Inject(CONFIG) config: Config,
    private readonly blocked: BlockedSubjects,
  ) {
    this.quota = { limit: config.authRateLimit, windowSeconds: config.authRateWindow };
    this.terms = termsOf(this.quota);
    this.memory = new BlockedKeys(clock);
  }

  /** How many calls this node has refused, by bucket, since it started. */
  refusals(): Record<string, number> {
    return Object.fromEntries(this.refusedCalls);
  }

  /** Counts one call if there is room for it. A refused call does not count. `owner`: for the list of what is blocked. */
  async hit(
    bucket: Bucket,
    subject: string,
    quota: Quota = this.quota,
    owner?: CounterOwner,
  ): Promise<LimitOutcome> {
    const outcome = await this.admit({ key: counterKey(bucket, subject), bucket, subject, owner, quota });
    if (!outcome.allowed) this.noteRefusal(bucket);
    return outcome;
  }

  private admit(counter: Counter): Promise<LimitOutcome> {
    const { key, quota } = counter;
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
      void this.work(counter, opened);
    });
  }

  /** Counts one call, or throws the 429 `rate_limited` with `Retry-After` and the RateLimit headers. */
  async enforce(
    bucket: Bucket,
    subject: string,
    quota: Quota = this.quota,
    owner?: CounterOwner,
  ): Promise<LimitOutcome> {
    const outcome = await this.hit(bucket, subject, quota, owner);
    if (!outcome.allowed) throw tooMany(bucket, outcome);
    return outcome;
  }

  /** Whether this node already knows that a call would be refused. No I/O. */
  isBlocked(bucket: Bucket, subject: string): boolean {
    return this.memory.remaining(counterKey(bucket, subject)) !== undefined;
  }

  /**
   * Opens a slot for a call that is counted by the statement that does the limited work, so that neither happens without the other.
   * Send the statement at once and give its result to {@link RateLimitSlot.settle}: undefined if it had nothing to do and counted
   * nothing. Throws the 429 from memory if the subject is known to be blocked. For buckets without refunds.
   */
  open(bucket: Bucket, subject: string, owner?: CounterOwner): RateLimitSlot {
    const key = counterKey(bucket, subject);
    const wait = this.memory.remaining(key);
    if (wait !== undefined) {
      this.noteRefusal(bucket);
      throw tooMany(bucket, refused(this.quota, wait));
    }
    const sent = this.clock.monotonic();
    const { forgotten } = this;
    return {
      call: { ...this.terms, key: Buffer.from(key, 'hex') },
      settle: (result) => {
        if (result?.full === undefined) return result?.done;
        const { resetMs } = usage(result.full, this.quota);
        const counter = { key, bucket, subject, owner, quota: this.quota };
        if (forgotten === this.forgotten) this.block(counter, sent, resetMs);
        if (result.done !== undefined) return result.done;
        this.noteRefusal(bucket);
        throw tooMany(bucket, refused(this.quota, resetMs));
      },
    };
  }

  /**
   * Refunds a call that should not have counted, such as one with the right password. This node's next call for the subject sees it at
   * once, other nodes a moment later. Only for quotas with the configured window.
   */
  refund(bucket: Bucket, subject: string): void {
    const key = counterKey(bucket, subject);
    this.refunds.add(key);
    this.memory.release(key);
    const queue = this.queues.get(key);
    if (queue !== undefined) queue.refunded = true;
  }

  /** Forgets which subjects are blocked: the next call of each asks the database. */
  forgetBlocks(): void {
    this.forgotten += 1;
    this.memory.clear();
  }

  onApplicationShutdown(): Promise<void> {
    return this.refunds.drain();
  }

  private noteRefusal(bucket: Bucket): void {
    this.refusedCalls.set(bucket, (this.refusedCalls.get(bucket) ?? 0) + 1);
  }

  private async work(counter: Counter, queue: Queue): Promise<void> {
    let callers: Caller[] = [];
    try {
      while (queue.waiting.length > 0) {
        callers = queue.waiting;
        queue.waiting = [];
        const outcomes = await this.ask(counter, queue, callers.length);
        callers.forEach((caller, index) => caller.resolve(outcomes(index)));
      }
    } catch (error) {
      // Calls that arrived meanwhile would only wait for the same timeout again.
      for (const caller of [...callers, ...queue.waiting]) caller.reject(error);
    } finally {
      this.queues.delete(counter.key);
    }
  }

  /** Counts `wanted` calls in one statement. Returns the outcome of the first, second, … of them. */
  private async ask(
    counter: Counter,
    queue: Queue,
    wanted: number,
  ): Promise<(index: number) => LimitOutcome> {
    const { key, quota } = counter;
    const wait = this.memory.remaining(key);
    if (wait !== undefined) return () => refused(quota, wait);
    if (this.refunds.hasPending(key)) await this.refunds.settle(key);
    const sent = this.clock.monotonic();
    const { forgotten } = this;
    queue.refunded = false;
    const { admitted, remaining, resetMs } = await this.store.consume(Buffer.from(key, 'hex'), wanted, quota);
    if (remaining === 0 && !queue.refunded && forgotten === this.forgotten)
      this.block(counter, sent, resetMs);
    return (index) =>
      index < admitted ? allowed(quota, remaining + admitted - 1 - index, resetMs) : refused(quota, resetMs);
  }

  private block({ key, bucket, subject, owner, quota }: Counter, since: number, ms: number): void {
    this.memory.block(key, since, ms);
    this.blocked.add({ key, scope: bucket, subject, owner, quota, ms });
  }
}
