import type { VerifiedToken } from '@tandem-auth/verifier/token';
import type { FamilyEvidence, MissingFamily } from './logout-evidence.store.js';
import type { UnexpectedLogout, LogoutCause } from './refused-credential.js';

/** A refused access token with a valid signature, and the evidence. Times in seconds on the database's clock. */
export interface AccessTokenRefusal {
  readonly token: VerifiedToken;
  /** The code of the refusal. */
  readonly code: string;
  readonly at: number;
  readonly family: FamilyEvidence | undefined;
  readonly missing: MissingFamily | undefined;
  readonly keyDistrusted: boolean;
  readonly keyInRing: boolean;
  readonly issuer: string;
  readonly audience: string;
  readonly tolerance: number;
}

/**
 * Returns the unexpected logout, or undefined for a correct refusal. The evidence decides, because the code of the refusal may be wrong.
 */
export function classifyAccessToken(facts: AccessTokenRefusal): UnexpectedLogout | undefined {
  const { token, family, missing } = facts;
  const { claims, epoch } = token;
  if (claims.exp + facts.tolerance <= facts.at) return undefined;
  // The client refreshes, unless the refusal says that the token is invalid.
  if (facts.keyDistrusted && facts.code !== 'token_invalid') return undefined;
  const of = (cause: LogoutCause): UnexpectedLogout => ({ cause, subject: claims.sid, userId: claims.sub });
  if (family === undefined) return missing === undefined ? undefined : of('login_missing');
  if (family.userId !== claims.sub || family.disabled || epoch < family.epoch) return undefined;
  if (family.revoked) return family.reason === null ? of('ended_without_reason') : undefined;
  if (facts.keyDistrusted) return of('key_distrusted');
  if (!facts.keyInRing) return of('key_removed');
  if (claims.iss !== facts.issuer) return of('issuer_changed');
  if (claims.aud !== facts.audience) return of('audience_changed');
  if (facts.code === 'token_expired') return of('expired_early');
  if (facts.code === 'token_revoked') return of('revoked_without_ending');
  return of('unexplained');
}

/** A refused refresh token, and the evidence. */
export interface RefreshTokenRefusal {
  readonly sid: string;
  readonly generation: number;
  readonly code: string;
  readonly family: FamilyEvidence | undefined;
  readonly missing: MissingFamily | undefined;
  /** Whether its MAC is valid. */
  readonly genuine: boolean;
  /** Whether this node has the JWT_SECRET of the family's tokens. */
  readonly secretKnown: boolean;
  readonly draining: boolean;
  /** The windows, in seconds. */
  readonly windows: { readonly grace: number; readonly lostResponse: number };
}

/** Returns the unexpected logout, or undefined for a correct refusal, like {@link classifyAccessToken}. */
export function classifyRefreshToken(facts: RefreshTokenRefusal): UnexpectedLogout | undefined {
  const { sid, generation, family, missing, genuine } = facts;
  const of = (cause: LogoutCause): UnexpectedLogout => ({
    cause,
    subject: sid,
    userId: family?.userId ?? missing?.userId,
  });
  if (family === undefined) return missing === undefined ? undefined : of('login_missing');
  if (family.disabled) return undefined;
  if (family.revoked) {
    if (!genuine) return undefined;
    if (family.reason === null) return of('ended_without_reason');
    // A family that was revoked for another reason may have a successor that somebody else uses.
    const isReuse = facts.code === 'refresh_token_reused' && family.reason === 'reuse';
    return isReuse && isInWindow(facts, family) ? of('reuse_in_window') : undefined;
  }
  if (family.expired) return undefined;
  if (!genuine) return facts.secretKnown ? undefined : of('secret_changed');
  if (generation > family.generation) return of('refresh_forgotten');
  if (facts.code === 'jwt_not_enabled') return facts.draining ? undefined : of('not_enabled');
  return of('unexplained');
}

/** Whether the service should have repeated the successor instead of detecting reuse; see `judge` of auth/refresh/refresh.service.ts. */
function isInWindow({ generation, windows }: RefreshTokenRefusal, family: FamilyEvidence): boolean {
  if (generation >= family.generation) return true;
  if (generation < family.generation - 1) return false;
  const { grace, lostResponse } = windows;
  const seen = family.confirmedGeneration >= family.generation;
  return (family.revokedAfter ?? Infinity) < (seen ? grace : Math.max(grace, lostResponse));
}
