import { Injectable, Logger } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { clientSubject } from '../../limits/client-address.js';
import { SessionCookieJudge } from './logouts/session-cookie-judge.service.js';
import { credentialIn } from './logouts/suspect.js';
import type { Suspect } from './logouts/suspect.js';
import { Suspects } from './logouts/suspects.js';
import { TokenJudge } from './logouts/token-judge.service.js';
import type { Scheme } from './scheme.js';

/**
 * Faults of the service (5xx) that came before the principal was proved: a refresh while the database was down, for example. They
 * are evidence if the credential turns out to be genuine, and only then: an anonymous request cannot produce evidence.
 */
@Injectable()
export class UnprovedFaults {
  private readonly logger = new Logger(UnprovedFaults.name);
  private readonly suspects = new Suspects();

  constructor(
    private readonly tokens: TokenJudge,
    private readonly sessions: SessionCookieJudge,
  ) {}

  /** A request without a proved principal was answered with a 5xx, at `at` milliseconds on the database's clock. */
  note(scheme: Scheme, request: FastifyRequest, code: string, at: number): void {
    const found = credentialIn(request);
    if (found === undefined) return;
    const judge = found.kind === 'session' ? this.sessions : this.tokens;
    if (!judge.isCandidate(found)) return;
    this.suspects.add({ ...found, scheme, code, at, source: clientSubject(request), draining: false });
  }

  get empty(): boolean {
    return this.suspects.empty;
  }

  /** The noted faults that met proved principals, each once. Keeps all of them for the next time if the database is down. */
  async proved(): Promise<Pick<Suspect, 'scheme' | 'at' | 'code'>[]> {
    const noted = this.suspects.take();
    if (noted.length === 0) return [];
    try {
      const bySession = noted.filter(({ kind }) => kind === 'session');
      const byToken = noted.filter(({ kind }) => kind !== 'session');
      const [tokens, sessions] = [await this.tokens.prove(byToken), await this.sessions.prove(bySession)];
      return [
        ...byToken.filter((_, index) => tokens[index]),
        ...bySession.filter((_, index) => sessions[index]),
      ];
    } catch (error) {
      this.logger.warn({ err: error }, 'faults cannot be examined yet');
      for (const suspect of noted) this.suspects.add(suspect);
      return [];
    }
  }
}
