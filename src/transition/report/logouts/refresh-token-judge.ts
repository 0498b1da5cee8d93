import type { Judgement, LogoutCause } from './causes.js';
import type { LoginEvidence, VanishedLogin } from './login-evidence.store.js';

/** A refresh token that was refused, and what is known of its login. */
export interface RefreshTokenCase {
  readonly sid: string;
  readonly generation: number;
  readonly code: string;
  readonly login: LoginEvidence | undefined;
  readonly vanished: VanishedLogin | undefined;
  /** Whether its MAC is ours. */
  readonly genuine: boolean;
  /** Whether this node has the JWT_SECRET that the login's tokens are made with. */
  readonly secretKnown: boolean;
  readonly draining: boolean;
  readonly windows: { readonly grace: number; readonly lostResponse: number };
}

/** Whether refusing it cut its login off. Evidence alone counts, not what the refusal said of itself. */
export function judgeRefreshToken(facts: RefreshTokenCase): Judgement {
  const { sid, generation, login, vanished, genuine } = facts;
  const of = (cause: LogoutCause): Judgement => ({
    cause,
    subject: sid,
    userId: login?.userId ?? vanished?.userId,
  });
  if (login === undefined) return vanished === undefined ? undefined : of('login_missing');
  if (login.disabled) return undefined;
  if (login.ended) {
    if (!genuine) return undefined;
    if (login.reason === null) return of('ended_without_reason');
    // A token of a login that ended otherwise may be theft too, of what took the login's place.
    const asStolen = facts.code === 'refresh_token_reused' && login.reason === 'reuse';
    return asStolen && isInWindow(facts, login) ? of('reuse_in_window') : undefined;
  }
  if (login.expired) return undefined;
  if (!genuine) return facts.secretKnown ? undefined : of('secret_changed');
  if (generation > login.generation) return of('refresh_forgotten');
  if (facts.code === 'jwt_not_enabled') return facts.draining ? undefined : of('not_enabled');
  return of('unexplained');
}

/** Whether the token had to be answered when it was taken for stolen; see `judge` of auth/refresh/refresh.service.ts. */
function isInWindow({ generation, windows }: RefreshTokenCase, login: LoginEvidence): boolean {
  if (generation >= login.generation) return true;
  if (generation < login.generation - 1) return false;
  const { grace, lostResponse } = windows;
  const seen = login.confirmedGeneration >= login.generation;
  return (login.endedAfter ?? Infinity) < (seen ? grace : Math.max(grace, lostResponse));
}
