import { ACCESS_TOKEN_ERRORS, challengeFor } from '@tandem-auth/verifier/refusals';
import { problems } from '../common/http/problem.js';
import type { ProblemKind } from '../common/http/problem.js';

/** Refusals of tokens: access tokens (RFC 6750, section 3.1) and refresh tokens. */
export const TOKEN_ERRORS = {
  ...ACCESS_TOKEN_ERRORS,
  refresh_token_invalid: { status: 401, title: 'The refresh token is not valid' },
  refresh_token_expired: { status: 401, title: 'The refresh token has expired' },
  refresh_token_reused: {
    status: 401,
    title: 'The refresh token was already used; its token family has been revoked',
  },
  refresh_token_revoked: { status: 401, title: 'The token family has been revoked' },
} as const satisfies Record<string, ProblemKind>;

export type TokenErrorCode = keyof typeof TOKEN_ERRORS;

const refusal = problems(TOKEN_ERRORS);

/** A refusal with its challenge (RFC 6750, section 3). */
export function refuseToken(code: TokenErrorCode, cause?: unknown) {
  return refusal(code, { cause, headers: { 'WWW-Authenticate': challengeFor(code) } });
}
