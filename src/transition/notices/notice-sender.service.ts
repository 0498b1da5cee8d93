import { Inject, Injectable, Logger } from '@nestjs/common';
import type {
  BeforeApplicationShutdown,
  OnApplicationBootstrap,
  OnApplicationShutdown,
} from '@nestjs/common';
import { BackgroundLoops } from '../../common/background-loops.js';
import type { BackgroundLoop } from '../../common/background-loops.js';
import { Database } from '../../database/database.js';
import type { Sql } from '../../database/database.js';
import { ISSUER } from '../../tokens/access/issuer.js';
import { MailTransport } from './mail/mail-transport.js';
import type { Delivery, MailConnection } from './mail/mail-transport.js';
import { GUIDE_URL } from './guide-url.js';
import { mailOf } from './notice-mail.js';
import type { NoticeLetter } from './notice-mail.js';
import { NoticeRecipientStore } from './notice-recipient.store.js';
import { NoticeStore } from './notice.store.js';

/** Milliseconds between two polls, and after a run that could not reach the mail server. */
const POLL_EVERY = 2_000;
const RETRY_AFTER = 5_000;

/** Connections to the mail server from one node. Each needs one to the database. */
const CONNECTIONS = 4;

/** Days after which a mail that no server accepted has failed. */
const GIVE_UP_AFTER = 3;

/** Milliseconds after the start of a shutdown: a mail in progress is abandoned; the shutdown stops waiting for the run. */
const ABANDON_AFTER = 2_500;
const FINISH_WITHIN = 4_000;

/** Attempts to store a result, and the milliseconds between them: the database may be unavailable for a moment. */
const SETTLE_ATTEMPTS = 20;
const SETTLE_PAUSE = 500;

/**
 * Sends the mails that are due. Every node polls; usually one of them sends.
 *
 * Each user gets each notice at most once, even if nodes are killed: the database records the hand-over before the server can accept
 * the mail, and a mail that was handed over is never sent again. If a node is killed before that, another node sends the mail.
 */
@Injectable()
export class NoticeSenderService
  implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  private readonly logger = new Logger(NoticeSenderService.name);
  private readonly stopping = new AbortController();
  private readonly loop: BackgroundLoop;
  /** Mails by the result of sending them, since this node started. */
  readonly attempts: Record<Delivery['outcome'], number> = {
    accepted: 0,
    refused: 0,
    deferred: 0,
    unreachable: 0,
    unknown: 0,
  };
  /** Milliseconds on the monotonic clock. */
  private pausedUntil = 0;

  constructor(
    private readonly database: Database,
    private readonly recipients: NoticeRecipientStore,
    private readonly notices: NoticeStore,
    private readonly transport: MailTransport,
    @Inject(ISSUER) private readonly issuer: string,
    @Inject(GUIDE_URL) private readonly guideUrl: string,
    loops: BackgroundLoops,
  ) {
    const late = new Promise<void>((resolve) => {
      const wait = () => setTimeout(resolve, FINISH_WITHIN).unref();
      this.stopping.signal.addEventListener('abort', wait, { once: true });
    });
    const run = () => Promise.race([this.poll(), late]);
    const failure = 'failed to send notices; will retry';
    this.loop = loops.create({ name: 'deprecation-notices', everyMs: POLL_EVERY, failure, run });
  }

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  /** Stops a run while the node still answers requests. */
  beforeApplicationShutdown(): void {
    this.stopping.abort();
  }

  onApplicationShutdown(): Promise<void> {
    return this.loop.stop();
  }

  private async poll(): Promise<void> {
    if (performance.now() < this.pausedUntil || !(await this.recipients.needSender())) return;
    await this.recipients.release();
    await this.recipients.giveUp(GIVE_UP_AFTER);
    const outcomes = await Promise.all(Array.from({ length: CONNECTIONS }, () => this.sendOnSession()));
    if (outcomes.includes('unreachable')) this.pausedUntil = performance.now() + RETRY_AFTER;
    await this.notices.finish();
  }

  private async sendOnSession(): Promise<Delivery['outcome'] | undefined> {
    return this.database.session(async (session) => {
      const { signal } = this.stopping;
      const connection = this.transport.open();
      // A server may take minutes to answer. A shutdown does not wait: mails that are not handed over are queued again.
      const abandon = () => setTimeout(() => connection.abandon(), ABANDON_AFTER).unref();
      signal.addEventListener('abort', abandon, { once: true });
      try {
        return await this.sendAll(session, connection);
      } finally {
        signal.removeEventListener('abort', abandon);
        connection.close();
      }
    });
  }

  /** Sends one mail after the other until none is due or the server is unreachable. */
  private async sendAll(session: Sql, connection: MailConnection): Promise<Delivery['outcome'] | undefined> {
    while (!this.stopping.signal.aborted) {
      const letter = await this.recipients.claim(session);
      if (letter === undefined) return undefined;
      const mail = mailOf(letter, this.guideUrl, this.domain);
      let committed: Promise<unknown> | undefined;
      const delivery = await connection.send(mail, async (release) => {
        ({ committed } = await this.recipients.handOver(session, letter, release));
      });
      await committed;
      this.attempts[delivery.outcome] += 1;
      await this.settle(session, letter, delivery);
      if (delivery.outcome === 'unreachable') return 'unreachable';
    }
    return undefined;
  }

  /** Retries, because only this process knows the server's answer. */
  private async settle(session: Sql, letter: NoticeLetter, delivery: Delivery): Promise<void> {
    const { outcome, reply, cause } = delivery;
    if (outcome !== 'accepted') {
      const { noticeId, userId } = letter;
      this.logger.warn(
        { notice: noticeId, user: userId, outcome, reply, err: cause },
        'a mail was not accepted',
      );
    }
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.recipients.settle(attempt === 1 ? session : this.database, letter, delivery);
      } catch (error) {
        if (attempt === SETTLE_ATTEMPTS) throw error;
        await new Promise((resolve) => setTimeout(resolve, SETTLE_PAUSE).unref());
      }
    }
  }

  /** The domain of the Message-IDs, the same on every node. */
  private get domain(): string {
    return new URL(this.issuer).hostname.replaceAll(/[^\w.-]/g, '');
  }
}
