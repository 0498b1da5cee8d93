import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { counted } from '../../common/text.js';
import type { Origin } from '../../audit/audit-context.js';
import { AuditStore } from '../../audit/audit.store.js';
import { refuse } from '../../common/common.errors.js';
import type { FieldError } from '../../common/problem.js';
import { Database } from '../../database/database.js';
import { Jobs } from '../../operations/jobs/jobs.service.js';
import { SessionUseStore } from '../report/session-use.store.js';
import type { SessionUse } from '../report/session-use.store.js';
import { RolloutService } from '../rollout/rollout.service.js';
import { NoticeRecipientStore } from './notice-recipient.store.js';
import { SENDING } from './notice-sender.job.js';
import { DEFAULT_SUBJECT, DEFAULT_TEXT, templateErrors, withoutDate } from './notice-template.js';
import { NoticeStore } from './notice.store.js';

const DEFAULT_DAYS = 30;

/** Users looked up at once. */
const BATCH = 5_000;

export interface NoticeOrder {
  readonly days?: number | undefined;
  readonly subject?: string | undefined;
  readonly text?: string | undefined;
}

/** Takes orders for mail to those who still use sessions. */
@Injectable()
export class NoticeService {
  constructor(
    private readonly database: Database,
    private readonly uses: SessionUseStore,
    private readonly notices: NoticeStore,
    private readonly recipients: NoticeRecipientStore,
    private readonly audit: AuditStore,
    private readonly rollout: RolloutService,
    private readonly jobs: Jobs,
  ) {}

  /**
   * Queues the mails, all or none, each user's once; they are sent soon by some node. Throws 400 `validation_failed` for a template
   * with unknown fields and for a notice to nobody.
   */
  async queue(
    { days = DEFAULT_DAYS, ...given }: NoticeOrder,
    actorId: string,
    origin: Origin,
  ): Promise<{ id: string; queued: number }> {
    const { sunsetAt } = this.rollout.current();
    const usual = sunsetAt === null ? withoutDate : (template: string) => template;
    const { subject = usual(DEFAULT_SUBJECT), text = usual(DEFAULT_TEXT) } = given;
    const faults = [...templateErrors(subject, 'subject'), ...templateErrors(text, 'text')];
    if (faults.length > 0) throw invalid(faults);
    const users = await this.usersOf(days);
    const id = randomUUID();
    const queued = await this.database.transaction(async (sql) => {
      await this.notices.add(sql, { id, createdBy: actorId, days, subject, text, sunsetAt });
      let count = 0;
      for (let from = 0; from < users.length; from += BATCH) {
        count += await this.recipients.add(sql, id, users.slice(from, from + BATCH));
      }
      // Thrown: nothing of it is to stay.
      if (count === 0) throw nobody(days);
      await this.audit.add(
        { event: 'mail', cause: 'queued', actorId, detail: { notice: id, days, queued: count } },
        origin,
        sql,
      );
      return count;
    });
    await this.jobs.wake(SENDING);
    return { id, queued };
  }

  private async usersOf(days: number): Promise<SessionUse[]> {
    const all: SessionUse[] = [];
    for (;;) {
      const page = await this.uses.latest(days, BATCH, all.at(-1)?.userId);
      all.push(...page);
      if (page.length < BATCH) return all;
    }
  }
}

function invalid(errors: readonly FieldError[]) {
  return refuse('validation_failed', { errors });
}

function nobody(days: number) {
  const message = `nobody with a mail address used a session in the last ${days === 1 ? 'day' : counted(days, 'day')}`;
  return invalid([{ field: 'days', message }]);
}
