import { Injectable, Logger } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { clientSubject } from '../../../limits/client-address.js';
import { SessionCookieService } from '../../sessions/http/session-cookie.service.js';
import { refusedCredentialIn } from '../logouts/refused-credential.js';
import { RefusedCredentialSample } from '../logouts/refused-credential-sample.js';
import type { SampledCredential } from '../logouts/refused-credential-sample.js';
import type { Scheme } from '../report.entity.js';
import { RefusedSessionStore } from './refused-session.store.js';
import { NOT_EXAMINED, settingBehind } from './setting-cause.js';
import type { SessionFacts, SettingCause } from './setting-cause.js';

/** Requests that were refused for a cause. `at`: milliseconds on the database's clock. */
export interface RefusedCount {
  readonly at: number;
  readonly cause: SettingCause | typeof NOT_EXAMINED;
  readonly times: number;
}

/**
 * Finds the setting because of which sessions are refused. For information only: anybody can send a cookie, so these counts never become
 * evidence for the autopilot. A request costs no I/O. A bounded sample is examined in the background, and the rest counts as not examined.
 */
@Injectable()
export class RefusedSessionsService {
  private readonly logger = new Logger(RefusedSessionsService.name);
  private readonly sample = new RefusedCredentialSample();
  private noted = 0;
  private last = 0;

  constructor(
    private readonly store: RefusedSessionStore,
    private readonly cookie: SessionCookieService,
  ) {}

  /** Records a request that was refused with `code`. `at`: milliseconds on the database's clock. */
  note(scheme: Scheme, request: FastifyRequest, code: string, at: number): void {
    if (scheme !== 'session') return;
    const refused = refusedCredentialIn(request, code);
    if (refused === undefined) return;
    this.noted += 1;
    this.last = at;
    this.sample.add({ ...refused, scheme, code, at, source: clientSubject(request), draining: false });
  }

  get empty(): boolean {
    return this.noted === 0;
  }

  /** The counts since the last call. Keeps the requests if the database is unavailable. */
  async examined(): Promise<RefusedCount[]> {
    if (this.noted === 0) return [];
    const [taken, noted, last] = [this.sample.take(), this.noted, this.last];
    this.noted = 0;
    try {
      const examined = taken.reduce((sum, { times }) => sum + times, 0);
      const rest: RefusedCount = { at: last, cause: NOT_EXAMINED, times: noted - examined };
      return [...(await this.causesOf(taken)), ...(rest.times > 0 ? [rest] : [])];
    } catch (error) {
      this.logger.warn({ err: error }, 'failed to examine refused sessions; will retry');
      this.noted += noted;
      for (const { times, ...refusal } of taken) this.sample.add(refusal, times);
      return [];
    }
  }

  private async causesOf(taken: readonly SampledCredential[]): Promise<RefusedCount[]> {
    const claims = taken.map(({ credential }) => this.cookie.claimIn(credential));
    const signed = claims.flatMap((claim) => (claim?.signed === true ? [claim.sid] : []));
    const facts = await this.store.facts([...new Set(signed)]);
    return taken.flatMap(({ at, times, credential }, index) => {
      const cause = this.causeOf(credential, claims[index], facts);
      return cause === undefined ? [] : [{ at, cause, times }];
    });
  }

  private causeOf(
    header: string,
    claim: { readonly sid: string; readonly signed: boolean } | undefined,
    facts: ReadonlyMap<string, SessionFacts>,
  ): SettingCause | undefined {
    // A header without a claim names several sessions, or none.
    if (claim === undefined) return this.cookie.hasSignedForm(header) ? undefined : 'other_cookie';
    if (!claim.signed) return 'other_secret';
    const found = facts.get(claim.sid);
    return found && settingBehind(found);
  }
}
