/** A call that the service refused or did not answer. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  /** `status` is 0 if there was no answer. `retryAfter` is in seconds, 0 if the answer does not say. */
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly requestId: string | null = null,
    readonly retryAfter = 0,
    readonly fields: readonly { readonly field: string; readonly message: string }[] = [],
    /** The problem document. */
    readonly problem: Readonly<Record<string, unknown>> = {},
  ) {
    super(detail);
  }

  /** Whether the same call may succeed a little later. */
  get isTemporary(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

interface Problem extends Readonly<Record<string, unknown>> {
  readonly code?: string;
  readonly detail?: string;
  readonly request_id?: string;
  readonly errors?: ApiError['fields'];
}

/** The error in an answer. A proxy's answer need not be a problem document. */
export function errorIn(response: Response, text: string): ApiError {
  let problem: Problem = {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) problem = parsed as Problem;
  } catch {
    // Not JSON, for example the error page of a proxy. The status and the headers say enough.
  }
  return new ApiError(
    response.status,
    problem.code ?? response.headers.get('X-Auth-Error') ?? '',
    problem.detail ?? `The answer was ${response.status}.`,
    problem.request_id ?? response.headers.get('X-Request-Id'),
    Number(response.headers.get('Retry-After')) || 0,
    problem.errors ?? [],
    problem,
  );
}

/** The error of a call without an answer. */
export function unanswered(): ApiError {
  return new ApiError(0, 'no_answer', 'The service did not answer. Check your connection.');
}
