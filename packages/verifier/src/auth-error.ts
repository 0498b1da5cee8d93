import { ACCESS_ERRORS, ACCESS_TOKEN_ERRORS, challengeFor, titleOf } from './refusals.js';
import type { AccessTokenErrorCode } from './refusals.js';

/** The options of an {@link AuthError}. */
export interface AuthErrorOptions {
  /** The value of `Retry-After`, in seconds. */
  readonly retryAfter?: string | undefined;
  /** The error to log. It never reaches the client. */
  readonly cause?: unknown;
}

/**
 * Thrown if a request is refused (401 or 403) or cannot be verified now (503). Answer with `status` and `headers`, which are the same as those of the Tandem
 * service. Clients decide by `code`, which is in the header `X-Auth-Error` too. The message is public.
 */
export class AuthError extends Error {
  override readonly name = 'AuthError';
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    readonly status: number,
    readonly code: string,
    { retryAfter, cause }: AuthErrorOptions = {},
  ) {
    // Nobody reads the stack of a refusal, and capturing it is expensive during an attack.
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

  /** Returns the body of the answer (RFC 9457). Its content type is `application/problem+json`. */
  toProblem(): Readonly<Record<string, string | number>> {
    const { status, code, message } = this;
    return { type: `urn:tandem:error:${code}`, title: message, status, detail: message, code };
  }
}

/** The content type of {@link AuthError.toProblem}. */
export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** Creates the error for a refused access token, a 401. */
export function refuseToken(code: AccessTokenErrorCode): AuthError {
  return new AuthError(ACCESS_TOKEN_ERRORS[code].status, code);
}

/** Creates a 403 for a principal that lacks the role that the route needs. */
export function forbidden(): AuthError {
  return new AuthError(ACCESS_ERRORS.forbidden.status, 'forbidden');
}

/** Creates a 503 with `Retry-After`. The client may repeat the request. */
export function unavailable(cause?: unknown): AuthError {
  return new AuthError(ACCESS_ERRORS.service_unavailable.status, 'service_unavailable', {
    retryAfter: '1',
    cause,
  });
}
