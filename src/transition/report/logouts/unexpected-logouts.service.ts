import { Injectable, Logger } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { clientSubject } from '../../../limits/client-address.js';
import { RolloutService } from '../../rollout/rollout.service.js';
import type { Scheme } from '../report.entity.js';
import { SchemeMetrics } from '../scheme-metrics.js';
import { ReportWriterStore } from '../report-writer.store.js';
import type { LogoutRow } from '../report-writer.store.js';
import { SessionRefusalService } from './session-refusal.service.js';
import { refusedCredentialIn } from './refused-credential.js';
import type { RefusedCredential } from './refused-credential.js';
import { RefusedCredentialSample } from './refused-credential-sample.js';
import { TokenRefusalService } from './token-refusal.service.js';

/**
 * Finds unexpected logouts. It checks each refused credential again against the database and the audit trail. The check shares no code
 * with the refusal, so it exposes bugs there. Credentials we cannot verify are not counted.
 */
@Injectable()
export class UnexpectedLogoutsService {
  private readonly logger = new Logger(UnexpectedLogoutsService.name);
  private readonly refusals = new RefusedCredentialSample();

  constructor(
    private readonly tokens: TokenRefusalService,
    private readonly sessions: SessionRefusalService,
    private readonly store: ReportWriterStore,
    private readonly rollout: RolloutService,
    private readonly metrics: SchemeMetrics,
  ) {}

  /** Records a request that was refused with `code`. `at`: milliseconds on the database's clock. */
  note(scheme: Scheme, request: FastifyRequest, code: string, at: number): void {
    const refusal = refusedCredentialIn(request, code);
    if (refusal === undefined) return;
    const service = refusal.kind === 'session' ? this.sessions : this.tokens;
    if (!service.isCandidate(refusal)) return;
    const { drain: draining } = this.rollout.current();
    this.refusals.add({ ...refusal, scheme, code, at, source: clientSubject(request), draining });
  }

  /** Classifies the recorded refusals, and adds unexpected logouts to the report. Keeps them if the database is unavailable. */
  async examine(): Promise<void> {
    const noted = this.refusals.take();
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
      this.logger.warn({ err: error }, 'failed to classify refused credentials; will retry');
      for (const refusal of noted) this.refusals.add(refusal);
    }
  }

  /** Returns the first unexpected logout of each subject. */
  private async logoutsAmong(refusals: readonly RefusedCredential[]): Promise<LogoutRow[]> {
    const bySession = refusals.filter(({ kind }) => kind === 'session');
    const byToken = refusals.filter(({ kind }) => kind !== 'session');
    const classified = [
      ...(await this.tokens.classify(byToken)).map((logout, index) => ({ logout, of: byToken[index]! })),
      ...(await this.sessions.classify(bySession)).map((logout, index) => ({
        logout,
        of: bySession[index]!,
      })),
    ];
    const logouts = new Map<string, LogoutRow>();
    for (const { logout, of } of classified) {
      if (logout === undefined || logouts.has(logout.subject)) continue;
      logouts.set(logout.subject, { ...logout, scheme: of.scheme, at: of.at });
    }
    return [...logouts.values()];
  }
}
