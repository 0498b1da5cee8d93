import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { counted } from '../../common/text.js';
import type { Origin } from '../../audit/audit-context.js';
import { AuditStore } from '../../audit/audit.store.js';
import { refuse } from '../../common/common.errors.js';
import type { FieldError } from '../../common/problem.js';
import { Database } from '../../database/database.js';
import { ReportStore } from '../report/report.store.js';
import type { SessionUse } from '../report/report.store.js';
import { RolloutService } from '../rollout/rollout.service.js';
import { NoticeRecipientStore } from './notice-recipient.store.js';
import { DEFAULT_SUBJECT, DEFAULT_TEXT, templateErrors, withoutDate } from './notice-template.js';
import { NoticeStore } from './notice.store.js';
import type { NoticePage } from './notice.store.js';

const DEFAULT_DAYS = 30;

/** Users of one statement. */
const BATCH = 5_000;

export interface NoticeOrder {
  readonly days?: number | undefined;
  readonly subject?: string | undefined;
  readonly text?: string | undefined;
}

/** Queues and lists the mails to users who still use sessions. */
@Injectable()
export class NoticeService {
  constructor(
    private readonly database: Database,
    private readonly reports: ReportStore,
    private readonly notices: NoticeStore,
    private readonly recipients: NoticeRecipientStore,
    private readonly audit: AuditStore,
    private readonly rollout: RolloutService,
  ) {}

  /**
   * Queues all mails or none, one for each user. Some node sends them within seconds. Throws 400 `validation_failed` for a template
   * with unknown fields and for a notice to nobody.
   */
  async queue(
    { days = DEFAULT_DAYS, ...given }: NoticeOrder,
    actorId: string,
    origin: Origin,
  ): Promise<{ id: string; queued: number }> {
    const { sunsetAt } = this.rollout.current();
    const adapted = sunsetAt === null ? withoutDate : (template: string) => template;
    const { subject = adapted(DEFAULT_SUBJECT), text = adapted(DEFAULT_TEXT) } = given;
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
      // Throw, to roll the notice back.
      if (count === 0) throw nobody(days);
      await this.audit.add(
        { event: 'mail', cause: 'queued', actorId, detail: { notice: id, days, queued: count } },
        origin,
        sql,
      );
      return count;
    });
    return { id, queued };
  }

  /** Newest first. Throws 400 for an invalid cursor. */
  list(limit: number, cursor: string | undefined): Promise<NoticePage> {
    return this.notices.list(limit, cursor);
  }

  private async usersOf(days: number): Promise<SessionUse[]> {
    const all: SessionUse[] = [];
    for (;;) {
      const page = await this.reports.sessionUses(days, BATCH, all.at(-1)?.userId);
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
