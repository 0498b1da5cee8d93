import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { Database } from '../../database/database.js';
import type { Sql } from '../../database/database.js';
import type { Job } from '../../operations/jobs/job.js';
import { Jobs } from '../../operations/jobs/jobs.service.js';
import { MailTransport } from '../../operations/mail/mail.js';
import type { Delivery, MailConnection } from '../../operations/mail/mail.js';
import { ISSUER } from '../../tokens/access/issuer.js';
import { guideUrlOf } from './guide-url.js';
import { mailOf } from './notice-mail.js';
import type { NoticeLetter } from './notice-mail.js';
import { NoticeRecipientStore } from './notice-recipient.store.js';
import { NoticeStore } from './notice.store.js';

/** The job's name. */
export const SENDING = 'deprecation-notices';

/** Connections to the mail server from one node, each beside one to the database. */
const LANES = 4;

/** Days after which a mail that no server would take is given up. */
const GIVE_UP_AFTER = 3;

/** Seconds: until a run that found no mail server is repeated, and the longest look ahead. */
const TRY_AGAIN = 5;
const LOOK_AHEAD = 60;

/** Milliseconds that a mail under way gets when the node stops. */
const ABANDON_AFTER = 2_500;

/** Attempts to write down what became of a mail, and milliseconds between them: the database may be away for a moment. */
const SETTLE_ATTEMPTS = 20;
const SETTLE_PAUSE = 500;

/**
 * Sends what is due, on every node that finds something to do.
 *
 * Each user gets each notice at most once, whatever is killed: before the server can accept a mail the database says that it may have,
 * and what may have been accepted is never sent again. What a node was killed with before that is sent by the next.
 */
@Injectable()
export class NoticeSender implements Job, OnModuleInit {
  readonly name = SENDING;
  private readonly logger = new Logger(NoticeSender.name);

  constructor(
    private readonly database: Database,
    private readonly recipients: NoticeRecipientStore,
    private readonly notices: NoticeStore,
    private readonly transport: MailTransport,
    private readonly jobs: Jobs,
    @Inject(ISSUER) private readonly issuer: string,
  ) {}

  onModuleInit(): void {
    this.jobs.register(this);
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.recipients.release();
    await this.recipients.giveUp(GIVE_UP_AFTER);
    const lanes = await Promise.all(Array.from({ length: LANES }, () => this.lane(signal)));
    await this.notices.finish();
    if (signal.aborted) return;
    const due = lanes.includes('unreachable') ? TRY_AGAIN : await this.recipients.nextDue();
    if (due !== undefined && due < LOOK_AHEAD) await this.jobs.wake(this.name, Math.max(1, due));
  }

  /** One mail after the other until none is due or nobody takes them. */
  private async lane(signal: AbortSignal): Promise<Delivery['outcome'] | undefined> {
    return this.database.session(async (session) => {
      const connection = this.transport.open();
      // A stop does not wait for a server that takes minutes: what has not been handed over is queued again.
      const stop = () => setTimeout(() => connection.abandon(), ABANDON_AFTER).unref();
      signal.addEventListener('abort', stop, { once: true });
      try {
        return await this.sendAll(session, connection, signal);
      } finally {
        signal.removeEventListener('abort', stop);
        connection.close();
      }
    });
  }

  private async sendAll(
    session: Sql,
    connection: MailConnection,
    signal: AbortSignal,
  ): Promise<Delivery['outcome'] | undefined> {
    while (!signal.aborted) {
      const letter = await this.recipients.claim(session);
      if (letter === undefined) return undefined;
      const mail = mailOf(letter, guideUrlOf(this.issuer), this.domain);
      let committed: Promise<unknown> | undefined;
      const delivery = await connection.send(mail, async (release) => {
        ({ committed } = await this.recipients.handOver(session, letter, release));
      });
      await committed;
      await this.settle(session, letter, delivery);
      if (delivery.outcome === 'unreachable') return 'unreachable';
    }
    return undefined;
  }

  /** The answer is known to this process alone, so it is worth some patience to write it down. */
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

  /** Of the Message-IDs: the same on every node. */
  private get domain(): string {
    return new URL(this.issuer).hostname.replaceAll(/[^\w.-]/g, '');
  }
}
