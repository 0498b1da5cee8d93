import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { SessionCookieService } from '../../sessions/http/session-cookie.service.js';
import { LogoutEvidenceStore } from './logout-evidence.store.js';
import type { SessionEvidence } from './logout-evidence.store.js';
import type { UnexpectedLogout, LogoutCause, RefusedCredential } from './refused-credential.js';

/** Finds out from the database whether a refused session cookie was genuine, and whether its refusal was an unexpected logout. */
@Injectable()
export class SessionRefusalService {
  constructor(
    private readonly evidence: LogoutEvidenceStore,
    private readonly cookie: SessionCookieService,
  ) {}

  /** Returns, for each refused credential, whether it is a signed cookie of a live session of a known user. Runs one query for all. */
  async areGenuine(refusals: readonly RefusedCredential[]): Promise<boolean[]> {
    const claims = refusals.map(({ credential }) => this.cookie.claimIn(credential));
    const sids = [...new Set(claims.flatMap((claim) => (claim?.signed === true ? [claim.sid] : [])))];
    if (sids.length === 0) return refusals.map(() => false);
    const sessions = await this.evidence.sessions(sids);
    return claims.map((claim) => {
      const session = claim?.signed === true ? sessions.get(claim.sid) : undefined;
      return session !== undefined && session.userId !== null && !session.disabled;
    });
  }

  /** Whether the cookie contains a session id, signed or not. */
  isCandidate({ credential }: Pick<RefusedCredential, 'credential'>): boolean {
    return this.cookie.claimIn(credential) !== undefined;
  }

  /** Returns, for each refused credential, the unexpected logout, or undefined for a correct refusal. Runs one query for all. */
  async classify(refusals: readonly RefusedCredential[]): Promise<(UnexpectedLogout | undefined)[]> {
    const claims = refusals.map(({ credential }) => this.cookie.claimIn(credential));
    const sids = [...new Set(claims.flatMap((claim) => (claim === undefined ? [] : [claim.sid])))];
    if (sids.length === 0) return refusals.map(() => undefined);
    const sessions = await this.evidence.sessions(sids);
    return claims.map((claim) => claim && classifySession({ ...claim, session: sessions.get(claim.sid) }));
  }
}

/** A session whose cookie was refused, and the evidence. */
export interface SessionRefusal {
  readonly sid: string;
  /** Whether the cookie is signed with this node's secret. */
  readonly signed: boolean;
  /** The session; undefined if it is not live. A session without a row was revoked by the product or has expired. */
  readonly session: SessionEvidence | undefined;
}

/**
 * Returns the unexpected logout, or undefined for a correct refusal. A cookie with a wrong signature counts as genuine if its session is
 * live: ids cannot be guessed, so the client had the cookie, and SESSION_SECRET has changed.
 */
export function classifySession({ sid, signed, session }: SessionRefusal): UnexpectedLogout | undefined {
  if (session === undefined || session.name === null || session.disabled) return undefined;
  const of = (cause: LogoutCause): UnexpectedLogout => ({
    cause,
    subject: createHash('sha256').update(sid).digest('hex'),
    userId: session.userId ?? undefined,
  });
  if (session.userId === null) return of('session_user_unknown');
  return of(signed ? 'unexplained' : 'session_secret_changed');
}
