import { Injectable, Logger } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { clientSubject } from '../../limits/client-address.js';
import { SessionRefusalService } from './logouts/session-refusal.service.js';
import { credentialIn } from './logouts/refused-credential.js';
import type { RefusedCredential } from './logouts/refused-credential.js';
import { RefusedCredentialSample } from './logouts/refused-credential-sample.js';
import { TokenRefusalService } from './logouts/token-refusal.service.js';
import type { Scheme } from './report.entity.js';

/**
 * Faults of the service (5xx) that occurred before the principal was verified, such as a refresh while the database was down. They
 * become evidence only if the credential turns out to be genuine: an anonymous request must not produce evidence.
 */
@Injectable()
export class UnverifiedFaultsService {
  private readonly logger = new Logger(UnverifiedFaultsService.name);
  private readonly faults = new RefusedCredentialSample();

  constructor(
    private readonly tokens: TokenRefusalService,
    private readonly sessions: SessionRefusalService,
  ) {}

  /** Records a 5xx for a request without a verified principal. `at`: milliseconds on the database's clock. */
  note(scheme: Scheme, request: FastifyRequest, code: string, at: number): void {
    const found = credentialIn(request);
    if (found === undefined) return;
    const service = found.kind === 'session' ? this.sessions : this.tokens;
    if (!service.isCandidate(found)) return;
    this.faults.add({ ...found, scheme, code, at, source: clientSubject(request), draining: false });
  }

  get empty(): boolean {
    return this.faults.empty;
  }

  /** Returns and forgets the faults with genuine credentials. Keeps all of them if the database is unavailable. */
  async verified(): Promise<Pick<RefusedCredential, 'scheme' | 'at' | 'code'>[]> {
    const noted = this.faults.take();
    if (noted.length === 0) return [];
    try {
      const bySession = noted.filter(({ kind }) => kind === 'session');
      const byToken = noted.filter(({ kind }) => kind !== 'session');
      const [tokens, sessions] = [
        await this.tokens.areGenuine(byToken),
        await this.sessions.areGenuine(bySession),
      ];
      return [
        ...byToken.filter((_, index) => tokens[index]),
        ...bySession.filter((_, index) => sessions[index]),
      ];
    } catch (error) {
      this.logger.warn({ err: error }, 'failed to verify the credentials of failed requests; will retry');
      for (const fault of noted) this.faults.add(fault);
      return [];
    }
  }
}
