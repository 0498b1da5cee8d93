import { Injectable, Logger } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { clientSubject } from '../../../limits/client-address.js';
import { RolloutService } from '../../rollout/rollout.service.js';
import type { Scheme } from '../report.entity.js';
import { SchemeMetrics } from '../scheme-metrics.js';
import { ReportWriterStore } from '../report-writer.store.js';
import type { LogoutRow } from '../report-writer.store.js';
import { SessionJudgeService } from './session-judge.service.js';
import { suspectIn } from './suspect.js';
import type { Suspect } from './suspect.js';
import { SuspectSample } from './suspect-sample.js';
import { TokenJudgeService } from './token-judge.service.js';

/**
 * Finds unexpected logouts. It judges refused credentials a moment later by the database and the audit trail, independently of the code
 * that refused them, so the faults of that code become visible. Credentials we cannot verify are not counted.
 */
@Injectable()
export class UnexpectedLogoutsService {
  private readonly logger = new Logger(UnexpectedLogoutsService.name);
  private readonly suspects = new SuspectSample();

  constructor(
    private readonly tokens: TokenJudgeService,
    private readonly sessions: SessionJudgeService,
    private readonly store: ReportWriterStore,
    private readonly rollout: RolloutService,
    private readonly metrics: SchemeMetrics,
  ) {}

  /** Records a request that was refused with `code`. `at`: milliseconds on the database's clock. */
  note(scheme: Scheme, request: FastifyRequest, code: string, at: number): void {
    const suspect = suspectIn(request, code);
    if (suspect === undefined) return;
    const judge = suspect.kind === 'session' ? this.sessions : this.tokens;
    if (!judge.isCandidate(suspect)) return;
    const { drain: draining } = this.rollout.current();
    this.suspects.add({ ...suspect, scheme, code, at, source: clientSubject(request), draining });
  }

  /** Judges the recorded refusals, and adds unexpected logouts to the report. Keeps them if the database is unavailable. */
  async examine(): Promise<void> {
    const noted = this.suspects.take();
    if (noted.length === 0) return;
    try {
      const logouts = await this.logoutsAmong(noted);
      if (logouts.length === 0) return;
      for (const { scheme, cause } of await this.store.addLogouts(logouts)) {
        this.metrics.unexpectedLogout(scheme, cause);
        this.logger.warn(
          { scheme, cause },
          'unexpected logout: a credential was refused although nobody revoked it',
        );
      }
    } catch (error) {
      this.logger.warn({ err: error }, 'refused credentials cannot be judged yet');
      for (const suspect of noted) this.suspects.add(suspect);
    }
  }

  /** Of each subject the first refusal. */
  private async logoutsAmong(suspects: readonly Suspect[]): Promise<LogoutRow[]> {
    const bySession = suspects.filter(({ kind }) => kind === 'session');
    const byToken = suspects.filter(({ kind }) => kind !== 'session');
    const judged = [
      ...(await this.tokens.judge(byToken)).map((judgement, index) => ({ judgement, of: byToken[index]! })),
      ...(await this.sessions.judge(bySession)).map((judgement, index) => ({
        judgement,
        of: bySession[index]!,
      })),
    ];
    const logouts = new Map<string, LogoutRow>();
    for (const { judgement, of } of judged) {
      if (judgement === undefined || logouts.has(judgement.subject)) continue;
      logouts.set(judgement.subject, { ...judgement, scheme: of.scheme, at: of.at });
    }
    return [...logouts.values()];
  }
}
