import { ACCESS_ERRORS, ACCESS_TOKEN_ERRORS, challengeFor, titleOf } from './refusals.js';
import type { AccessTokenErrorCode } from './refusals.js';

/** An answer of the service may ask for a later attempt. */
export interface RefusalOptions {
  /** The value of `Retry-After`, in seconds. */
  readonly retryAfter?: string | undefined;
  /** For your log. It never reaches the client. */
  readonly cause?: unknown;
}

/**
 * Why a request has no principal. Answer with `status` and `headers`: they are the ones that the service answers. Clients decide by
 * `code`, which is in the header `X-Auth-Error` too. The message is public.
 */
export class AuthError extends Error {
  override readonly name = 'AuthError';
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    readonly status: number,
    readonly code: string,
    { retryAfter, cause }: RefusalOptions = {},
  ) {
    // Nobody reads the stack of a refusal, and collecting it takes time: in a flood there are many refusals.
    const errors = Error as { stackTraceLimit?: number };
    const { stackTraceLimit } = errors;
    errors.stackTraceLimit = 0;
    super(titleOf(code, status), cause === undefined ? undefined : { cause });
    if (stackTraceLimit !== undefined) errors.stackTraceLimit = stackTraceLimit;
    this.headers = {
      'Cache-Control': 'no-store',
      ...(status === 401 && { 'WWW-Authenticate': challengeFor(code) }),
      ...((status === 401 || status === 403) && { 'X-Auth-Error': code }),
      ...(retryAfter !== undefined && { 'Retry-After': retryAfter }),
    };
  }

  /** The body of the answer (RFC 9457). Its content type is `application/problem+json`. */
  toProblem(): Readonly<Record<string, string | number>> {
    const { status, code, message } = this;
    return { type: `urn:tandem:error:${code}`, title: message, status, detail: message, code };
  }
}

/** The content type of {@link AuthError.toProblem}. */
export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** 401 for an access token. */
export function refuseToken(code: AccessTokenErrorCode): AuthError {
  return new AuthError(ACCESS_TOKEN_ERRORS[code].status, code);
}

/** 403 for a principal without a role that the route needs. */
export function forbidden(): AuthError {
  return new AuthError(ACCESS_ERRORS.forbidden.status, 'forbidden');
}

/** 503 with `Retry-After`. The client may repeat the request. */
export function unavailable(cause?: unknown): AuthError {
  return new AuthError(ACCESS_ERRORS.service_unavailable.status, 'service_unavailable', {
    retryAfter: '1',
    cause,
  });
}
