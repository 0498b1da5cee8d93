import { problems } from '../common/problem.js';
import type { ProblemKind } from '../common/problem.js';

/** Refusals of tokens: access tokens (RFC 6750, section 3.1) and refresh tokens. */
export const TOKEN_ERRORS = {
  token_missing: { status: 401, title: 'An access token is required' },
  token_malformed: { status: 401, title: 'The access token is malformed' },
  token_invalid: { status: 401, title: 'The access token is not valid' },
  token_expired: { status: 401, title: 'The access token has expired' },
  token_revoked: { status: 401, title: 'The access token has been revoked' },
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

/** A refusal with its challenge. RFC 6750, section 3: no error code if no token was presented. */
export function refuseToken(code: TokenErrorCode, cause?: unknown) {
  const bearer = code.startsWith('token_') && code !== 'token_missing';
  const challenge = bearer
    ? `Bearer realm="tandem", error="invalid_token", error_description="${TOKEN_ERRORS[code].title}"`
    : 'Bearer realm="tandem"';
  return refusal(code, { cause, headers: { 'WWW-Authenticate': challenge } });
}
