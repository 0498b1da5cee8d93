import { Injectable } from '@nestjs/common';
import { ReportStore } from '../report/report.store.js';
import type { SessionUse } from '../report/report.store.js';
import { UnlinkedSessionsStore } from '../sessions/stores/unlinked-sessions.store.js';

/** Users of one statement. */
export const AUDIENCE_BATCH = 5_000;

/** A user who used a session lately. */
export interface PossibleRecipient extends SessionUse {
  /** The user has a live session that was not exchanged for tokens. */
  readonly signedIn?: boolean;
}

/**
 * Finds the users whom a notice may concern. A user is on tokens if every session that the user used in the period was exchanged, or
 * ended before the user last got tokens. Such a user gets no mail: see `NoticeRecipientStore`.
 */
@Injectable()
export class NoticeAudienceService {
  constructor(
    private readonly reports: ReportStore,
    private readonly sessions: UnlinkedSessionsStore,
  ) {}

  /** The users who used a session that was not exchanged in the last `days`, ordered by id, in batches. */
  async *find(days: number): AsyncGenerator<readonly PossibleRecipient[]> {
    const signedIn = await this.sessions.users();
    let after: string | undefined;
    for (;;) {
      const page = await this.reports.sessionUses(days, AUDIENCE_BATCH, after);
      yield page.map((use) => ({ ...use, signedIn: signedIn.has(use.userId) }));
      if (page.length < AUDIENCE_BATCH) return;
      after = page.at(-1)!.userId;
    }
  }
}
