import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { NO_ORIGIN } from '../audit/audit-context.js';
import { AuditStore } from '../audit/audit.store.js';
import { BackgroundLoops } from '../common/background-loops.js';
import type { BackgroundLoop } from '../common/background-loops.js';
import { Clock } from '../common/clock.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { WebhookClient } from './webhook-client.js';
import type { Attempt } from './webhook-client.js';
import { bodyOf, headersOf, webhookKey } from './webhook-message.js';
import { WebhookStore } from './webhook.store.js';
import type { Backlog, DueEvent } from './webhook.store.js';

const INTERVAL_MS = 1_000;

/** How often the backlog is counted for the metrics. */
const COUNT_INTERVAL_MS = 15_000;

/** The number of events that a node claims at once. */
const BATCH = 64;
/** The number of requests in flight at once. */
const CONCURRENCY = 8;

/** How long a claim lasts. A batch takes less, even if every request times out. */
const LEASE_SECONDS = 120;

/** A failed event is retried after 5, 10, 20 … seconds, then every quarter of an hour. */
const FIRST_DELAY_SECONDS = 5;
const MAX_DELAY_SECONDS = 900;

/** If the receiver is down, this node tries one event after 2, 4, 8 … seconds, then every half minute. */
const MAX_PAUSE_MS = 30_000;

/**
 * RFC 9110, section 15.5.11. In Standard Webhooks it means that the receiver wants no more events. Only an operator can unset
 * WEBHOOK_URL, and the receiver may come back, so such an event is retried at the longest interval until it is given up.
 */
const GONE = 410;

/**
 * Sends the events of the outbox. All nodes send, and a claimed event belongs to one node for two minutes. Delivery is at least once: if a
 * node crashes after the receiver answered and before the answer was recorded, a node sends the event again, with the same `webhook-id`. If
 * the receiver is down, each node sends one request every half minute.
 */
@Injectable()
export class WebhookSenderService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(WebhookSenderService.name);
  private readonly loops: BackgroundLoop[] = [];
  private readonly client: WebhookClient | undefined;
  private readonly key: Buffer;
  private readonly stopping = new AbortController();
  /** The number of attempts by outcome, since this process started. */
  readonly attempts = { delivered: 0, failed: 0, given_up: 0 };
  /** The backlog at the last count. */
  backlog: Backlog = { waiting: 0, oldestSeconds: 0, lastError: null };
  /** The number of rounds in a row in which the receiver was down. */
  private roundsDown = 0;
  private pausedUntil = 0;

  constructor(
    private readonly store: WebhookStore,
    private readonly audit: AuditStore,
    private readonly clock: Clock,
    loopFactory: BackgroundLoops,
    @Inject(CONFIG) { webhookUrl, webhookSecret = '' }: Config,
  ) {
    this.key = webhookKey(webhookSecret);
    if (webhookUrl === undefined) return;
    this.client = new WebhookClient(webhookUrl);
    const sending = loopFactory.create({
      name: 'webhooks',
      everyMs: INTERVAL_MS,
      failure: 'failed to read webhooks from the database; will retry',
      run: () => this.run(),
    });
    const counting = loopFactory.create({
      name: 'webhook-backlog',
      everyMs: COUNT_INTERVAL_MS,
      failure: 'failed to count the waiting webhooks; will retry',
      run: async () => {
        this.backlog = await this.store.backlog();
      },
    });
    this.loops.push(sending, counting);
  }

  onApplicationBootstrap(): void {
    for (const loop of this.loops) loop.start();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.loops.map((loop) => loop.stop()));
    this.client?.close();
  }

  /** Sends everything that is due, unless the receiver was down a moment ago. */
  async run(): Promise<void> {
    if (this.client === undefined || this.clock.monotonic() < this.pausedUntil) return;
    while (!this.stopping.signal.aborted) {
      const events = await this.store.claim(this.roundsDown > 0 ? 1 : BATCH, LEASE_SECONDS);
      if (events.length === 0) return;
      if (!(await this.send(events, this.client))) return;
    }
  }

  /**
   * Deletes events that were not delivered within a day. Returns their number. The clean-up calls it, even if `WEBHOOK_URL` has been
   * removed.
   */
  async giveUp(batch: number): Promise<number> {
    const count = await this.store.removeExpired(batch);
    if (count === 0) return 0;
    this.attempts.given_up += count;
    this.logger.error({ count }, 'gave up on webhooks that were not delivered within a day');
    await this.audit.add({ event: 'webhook', cause: 'given_up', detail: { count } }, NO_ORIGIN);
    return count;
  }

  /** Sends the events and records the results. Returns false if the receiver is down. */
  private async send(events: readonly DueEvent[], client: WebhookClient): Promise<boolean> {
    const results = new Map<DueEvent, Attempt>();
    const queue = [...events];
    const work = async (): Promise<void> => {
      for (let event = queue.shift(); event !== undefined; event = queue.shift()) {
        if (this.stopping.signal.aborted) return;
        results.set(event, await this.attempt(event, client));
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
    await this.settle(events, results);
    if ([...results.values()].some(({ alive }) => alive)) {
      this.roundsDown = 0;
      return true;
    }
    this.roundsDown += 1;
    this.pausedUntil =
      this.clock.monotonic() + Math.min(MAX_PAUSE_MS, 1_000 * 2 ** Math.min(this.roundsDown, 10));
    return false;
  }

  private attempt(event: DueEvent, client: WebhookClient): Promise<Attempt> {
    const body = bodyOf(event);
    const headers = headersOf(event.id, body, this.key, Math.floor(this.clock.now() / 1000));
    return client.post(body, headers, this.stopping.signal);
  }

  private async settle(events: readonly DueEvent[], results: ReadonlyMap<DueEvent, Attempt>): Promise<void> {
    const delivered = [...results].filter(([, attempt]) => attempt.delivered).map(([{ seq }]) => seq);
    const failed = [...results].filter(([, attempt]) => !attempt.delivered);
    await this.store.remove(delivered);
    this.attempts.delivered += delivered.length;
    if (this.stopping.signal.aborted) {
      // Release the claims, so that another node can send these events at once.
      const unsent = events.filter((event) => results.get(event)?.delivered !== true);
      return this.store.release(unsent.map(({ seq }) => seq));
    }
    await this.store.postpone(
      failed.map(([{ seq, attempts: attemptCount }, attempt]) => ({
        seq,
        delaySeconds: delayAfter(attemptCount, attempt),
        error: attempt.error,
      })),
    );
    this.attempts.failed += failed.length;
    if (failed.length > 0 && this.roundsDown === 0)
      this.logger.warn(
        { count: failed.length, error: failed[0]![1].error },
        'failed to deliver webhooks; will retry',
      );
  }
}

/** Returns the delay until the next attempt, in seconds. Jitter spreads events that failed together. */
function delayAfter(attemptCount: number, { status, retryAfter = 0 }: Attempt): number {
  if (status === GONE) return MAX_DELAY_SECONDS;
  const delay = Math.min(MAX_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** Math.min(attemptCount - 1, 20));
  return Math.min(MAX_DELAY_SECONDS, Math.max(delay * (0.8 + 0.4 * Math.random()), retryAfter));
}
