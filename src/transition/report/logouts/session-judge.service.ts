import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { SessionCookieService } from '../../sessions/http/session-cookie.service.js';
import { LogoutEvidenceStore } from './logout-evidence.store.js';
import type { SessionEvidence } from './logout-evidence.store.js';
import type { LogoutVerdict, LogoutCause, RefusedCredential } from './refused-credential.js';

/** Judges refused session cookies by the evidence of the database. */
@Injectable()
export class SessionJudgeService {
  constructor(
    private readonly evidence: LogoutEvidenceStore,
    private readonly cookie: SessionCookieService,
  ) {}

  /** For each refused credential whether it is a signed cookie of a live session with a user. One statement for all. */
  async verify(refusals: readonly RefusedCredential[]): Promise<boolean[]> {
    const claims = refusals.map(({ credential }) => this.cookie.claimIn(credential));
    const sids = [...new Set(claims.flatMap((claim) => (claim?.signed === true ? [claim.sid] : [])))];
    if (sids.length === 0) return refusals.map(() => false);
    const sessions = await this.evidence.sessions(sids);
    return claims.map((claim) => {
      const session = claim?.signed === true ? sessions.get(claim.sid) : undefined;
      return session !== undefined && session.userId !== null && !session.disabled;
    });
  }

  /** Whether it names a session. Does not verify its signature. */
  isCandidate({ credential }: Pick<RefusedCredential, 'credential'>): boolean {
    return this.cookie.claimIn(credential) !== undefined;
  }

  /** One verdict for each refused credential. One statement for all. */
  async judge(refusals: readonly RefusedCredential[]): Promise<LogoutVerdict[]> {
    const claims = refusals.map(({ credential }) => this.cookie.claimIn(credential));
    const sids = [...new Set(claims.flatMap((claim) => (claim === undefined ? [] : [claim.sid])))];
    if (sids.length === 0) return refusals.map(() => undefined);
    const sessions = await this.evidence.sessions(sids);
    return claims.map((claim) => claim && judgeSession({ ...claim, session: sessions.get(claim.sid) }));
  }
}

/** A session whose cookie was refused, and the evidence. */
export interface SessionCase {
  readonly sid: string;
  /** Whether the cookie is signed with this node's secret. */
  readonly signed: boolean;
  /** Undefined if the session is not live. A session without a row was revoked by the product or has expired. */
  readonly session: SessionEvidence | undefined;
}

/**
 * Judges the refusal of a cookie. A cookie with a wrong signature is genuine if its session is live: a client that knows an id, which
 * cannot be guessed, had the cookie.
 */
export function judgeSession({ sid, signed, session }: SessionCase): LogoutVerdict {
  if (session === undefined || session.name === null || session.disabled) return undefined;
  const of = (cause: LogoutCause): LogoutVerdict => ({
    cause,
    subject: createHash('sha256').update(sid).digest('hex'),
    userId: session.userId ?? undefined,
  });
  if (session.userId === null) return of('session_user_unknown');
  return of(signed ? 'unexplained' : 'session_secret_changed');
}
