import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { counted } from '../../common/text.js';
import type { Origin } from '../../audit/audit-context.js';
import { AuditStore } from '../../audit/audit.store.js';
import { refuse } from '../../common/common.errors.js';
import { cursorsOf } from '../../common/http/pagination.js';
import type { FieldError } from '../../common/http/problem.js';
import { Database } from '../../database/database.js';
import { RolloutService } from '../rollout/rollout.service.js';
import { NoticeAudienceService } from './notice-audience.service.js';
import type { PossibleRecipient } from './notice-audience.service.js';
import { NoticeRecipientStore } from './notice-recipient.store.js';
import type { Recipient } from './notice-recipient.store.js';
import { DEFAULT_SUBJECT, DEFAULT_TEXT, templateErrors, withoutDate } from './notice-template.js';
import { NoticeStore } from './notice.store.js';
import type { NoticePage } from './notice.store.js';

export const DEFAULT_DAYS = 30;

/** The id of a user. */
const CURSORS = cursorsOf('recipients', /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/);

export interface NoticeOrder {
  readonly days?: number | undefined;
  readonly subject?: string | undefined;
  readonly text?: string | undefined;
}

/** Returns the recipients of a notice: one page of them, and their number. */
export interface NoticePreview {
  readonly count: number;
  readonly recipients: readonly Recipient[];
  readonly next_cursor: string | null;
}

/** Queues and lists the mails to users who still use sessions. */
@Injectable()
export class NoticeService {
  constructor(
    private readonly database: Database,
    private readonly audience: NoticeAudienceService,
    private readonly notices: NoticeStore,
    private readonly recipients: NoticeRecipientStore,
    private readonly audit: AuditStore,
    private readonly rollout: RolloutService,
  ) {}

  /**
   * Queues all mails or none, one for each user. Some node sends them within seconds. Throws 400 `validation_failed` for a template
   * with unknown fields and for a notice to nobody. `actorId` is undefined on the command line.
   */
  async queue(
    order: NoticeOrder,
    actorId: string | undefined,
    origin: Origin,
  ): Promise<{ id: string; queued: number }> {
    const { days = DEFAULT_DAYS } = order;
    const { subject, text, sunsetAt } = this.templateOf(order);
    const batches: (readonly PossibleRecipient[])[] = [];
    for await (const users of this.audience.find(days)) batches.push(users);
    const id = randomUUID();
    const queued = await this.database.transaction(async (sql) => {
      await this.notices.add(sql, { id, createdBy: actorId, days, subject, text, sunsetAt });
      let count = 0;
      for (const users of batches) count += await this.recipients.add(sql, id, users);
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

  /**
   * Whom {@link queue} would write to now, ordered by id, and queues nothing. Throws 400 `validation_failed` for a template with unknown
   * fields and for an invalid cursor.
   */
  async preview(order: NoticeOrder, limit: number, cursor: string | undefined): Promise<NoticePreview> {
    this.templateOf(order);
    const after = cursor === undefined ? '' : CURSORS.read(cursor)[0];
    const page: Recipient[] = [];
    let count = 0;
    for await (const users of this.audience.find(order.days ?? DEFAULT_DAYS)) {
      const chosen = await this.recipients.choose(users);
      count += chosen.length;
      page.push(...chosen.filter(({ user_id }) => user_id > after).slice(0, limit + 1 - page.length));
    }
    const recipients = page.slice(0, limit);
    const last = recipients.at(-1);
    const more = page.length > limit && last !== undefined;
    return { count, recipients, next_cursor: more ? CURSORS.write(last.user_id) : null };
  }

  /** Newest first. Throws 400 for an invalid cursor. */
  list(limit: number, cursor: string | undefined): Promise<NoticePage> {
    return this.notices.list(limit, cursor);
  }

  private templateOf({ subject: givenSubject, text: givenText }: NoticeOrder) {
    const { sunsetAt } = this.rollout.current();
    const adapted = sunsetAt === null ? withoutDate : (template: string) => template;
    const subject = givenSubject ?? adapted(DEFAULT_SUBJECT);
    const text = givenText ?? adapted(DEFAULT_TEXT);
    const faults = [...templateErrors(subject, 'subject'), ...templateErrors(text, 'text')];
    if (faults.length > 0) throw invalid(faults);
    return { subject, text, sunsetAt };
  }
}

function invalid(errors: readonly FieldError[]) {
  return refuse('validation_failed', { errors });
}

function nobody(days: number) {
  const period = days === 1 ? 'day' : counted(days, 'day');
  const message = `nobody with a mail address used a session in the last ${period} without moving to tokens since`;
  return invalid([{ field: 'days', message }]);
}
