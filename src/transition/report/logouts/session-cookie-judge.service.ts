import { Injectable } from '@nestjs/common';
import { SessionCookieService } from '../../sessions/http/session-cookie.service.js';
import type { Judgement } from './causes.js';
import { SessionEvidenceStore } from './session-evidence.store.js';
import { judgeSession } from './session-judge.js';
import type { Suspect } from './suspect.js';

/** Looks at refused session cookies again, on the evidence of the database. */
@Injectable()
export class SessionCookieJudge {
  constructor(
    private readonly evidence: SessionEvidenceStore,
    private readonly cookie: SessionCookieService,
  ) {}

  /** Whether each of them proves a principal: a signed cookie of a session that lives. In one statement for all of them. */
  async verify(suspects: readonly Suspect[]): Promise<boolean[]> {
    const claims = suspects.map(({ credential }) => this.cookie.claimIn(credential));
    const sids = [...new Set(claims.flatMap((claim) => (claim?.signed === true ? [claim.sid] : [])))];
    if (sids.length === 0) return suspects.map(() => false);
    const sessions = await this.evidence.sessions(sids);
    return claims.map((claim) => {
      const session = claim?.signed === true ? sessions.get(claim.sid) : undefined;
      return session !== undefined && session.userId !== null && !session.disabled;
    });
  }

  /** Whether it names a session. Cheap, and says nothing of its signature. */
  isCandidate({ credential }: Pick<Suspect, 'credential'>): boolean {
    return this.cookie.claimIn(credential) !== undefined;
  }

  /** One judgement for each of the suspects, in one statement for all of them. */
  async judge(suspects: readonly Suspect[]): Promise<Judgement[]> {
    const claims = suspects.map(({ credential }) => this.cookie.claimIn(credential));
    const sids = [...new Set(claims.flatMap((claim) => (claim === undefined ? [] : [claim.sid])))];
    if (sids.length === 0) return suspects.map(() => undefined);
    const sessions = await this.evidence.sessions(sids);
    return claims.map((claim) => claim && judgeSession({ ...claim, session: sessions.get(claim.sid) }));
  }
}
