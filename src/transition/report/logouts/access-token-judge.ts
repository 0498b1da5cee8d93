import type { VerifiedToken } from '../../../tokens/access/access-token.js';
import type { Judgement, LogoutCause } from './causes.js';
import type { LoginEvidence, VanishedLogin } from './login-evidence.store.js';

/** An access token whose signature is ours, and what is known of it. Times in seconds, on the database's clock. */
export interface AccessTokenCase {
  readonly token: VerifiedToken;
  /** Of the refusal. */
  readonly code: string;
  readonly at: number;
  readonly login: LoginEvidence | undefined;
  readonly vanished: VanishedLogin | undefined;
  readonly keyDistrusted: boolean;
  readonly keyInRing: boolean;
  readonly issuer: string;
  readonly audience: string;
  readonly tolerance: number;
}

/** Whether refusing it cut its login off. Evidence alone counts, not what the refusal said of itself. */
export function judgeAccessToken(facts: AccessTokenCase): Judgement {
  const { token, login, vanished } = facts;
  const { claims, epoch } = token;
  if (claims.exp + facts.tolerance <= facts.at) return undefined;
  // Its client refreshes, unless it was told that the token is invalid.
  if (facts.keyDistrusted && facts.code !== 'token_invalid') return undefined;
  const of = (cause: LogoutCause): Judgement => ({ cause, subject: claims.sid, userId: claims.sub });
  if (login === undefined) return vanished === undefined ? undefined : of('login_missing');
  if (login.userId !== claims.sub || login.disabled || epoch < login.epoch) return undefined;
  if (login.ended) return login.reason === null ? of('ended_without_reason') : undefined;
  if (facts.keyDistrusted) return of('key_distrusted');
  if (!facts.keyInRing) return of('key_removed');
  if (claims.iss !== facts.issuer) return of('issuer_changed');
  if (claims.aud !== facts.audience) return of('audience_changed');
  if (facts.code === 'token_expired') return of('expired_early');
  if (facts.code === 'token_revoked') return of('revoked_without_ending');
  return of('unexplained');
}
