import { Injectable, Logger } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { clientSubject } from '../../../limits/client-address.js';
import { RolloutService } from '../../rollout/rollout.service.js';
import type { Scheme } from '../report.entity.js';
import { SchemeMetrics } from '../scheme-metrics.js';
import { SessionCookieJudge } from './session-cookie-judge.service.js';
import { suspectIn } from './suspect.js';
import type { Suspect } from './suspect.js';
import { Suspects } from './suspects.js';
import { TokenJudge } from './token-judge.service.js';
import { UnexpectedLogoutStore } from './unexpected-logout.store.js';
import type { CutOff } from './unexpected-logout.store.js';

/**
 * Finds the logins that were cut off although nobody ended them. Refused credentials are kept for a moment and then judged again by
 * what the database and the audit trail say, apart from the code that refused them: its faults show, and its mistakes are not
 * believed. What cannot be proved to be ours is never counted, so that a stranger cannot make the figure grow.
 */
@Injectable()
export class UnexpectedLogouts {
  private readonly logger = new Logger(UnexpectedLogouts.name);
  private readonly suspects = new Suspects();

  constructor(
    private readonly tokens: TokenJudge,
    private readonly sessions: SessionCookieJudge,
    private readonly store: UnexpectedLogoutStore,
    private readonly rollout: RolloutService,
    private readonly metrics: SchemeMetrics,
  ) {}

  /** A request was refused with `code`, at `at` milliseconds on the database's clock. */
  note(scheme: Scheme, request: FastifyRequest, code: string, at: number): void {
    const suspect = suspectIn(request, code);
    if (suspect === undefined) return;
    const judge = suspect.kind === 'session' ? this.sessions : this.tokens;
    if (!judge.isCandidate(suspect)) return;
    const { drain: draining } = this.rollout.current();
    this.suspects.add({ ...suspect, scheme, code, at, source: clientSubject(request), draining });
  }

  /** Judges what has been noted, and adds what was cut off to the report. Keeps it for the next time if the database is away. */
  async examine(): Promise<void> {
    const noted = this.suspects.take();
    if (noted.length === 0) return;
    try {
      const cutOffs = await this.cutOffsAmong(noted);
      if (cutOffs.length === 0) return;
      for (const { scheme, cause } of await this.store.add(cutOffs)) {
        this.metrics.unexpectedLogout(scheme, cause);
        this.logger.warn({ scheme, cause }, 'a login was cut off although nobody ended it');
      }
    } catch (error) {
      this.logger.warn({ err: error }, 'refused credentials could not be looked at yet');
      for (const suspect of noted) this.suspects.add(suspect);
    }
  }

  /** The first of a login counts. */
  private async cutOffsAmong(suspects: readonly Suspect[]): Promise<CutOff[]> {
    const bySession = suspects.filter(({ kind }) => kind === 'session');
    const byToken = suspects.filter(({ kind }) => kind !== 'session');
    const judged = [
      ...(await this.tokens.judge(byToken)).map((judgement, index) => ({ judgement, of: byToken[index]! })),
      ...(await this.sessions.judge(bySession)).map((judgement, index) => ({
        judgement,
        of: bySession[index]!,
      })),
    ];
    const cutOffs = new Map<string, CutOff>();
    for (const { judgement, of } of judged) {
      if (judgement === undefined || cutOffs.has(judgement.subject)) continue;
      cutOffs.set(judgement.subject, { ...judgement, scheme: of.scheme, at: of.at });
    }
    return [...cutOffs.values()];
  }
}
