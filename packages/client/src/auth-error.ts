/** The service refused a call. */
export class AuthError extends Error {
  override readonly name = 'AuthError';

  /**
   * `code` is the stable code of the refusal, such as `invalid_credentials`. It is empty if the answer has none. `retryAfter` is in seconds,
   * 0 if the answer does not say.
   */
  constructor(
    readonly status: number,
    readonly code: string,
    readonly retryAfter = 0,
  ) {
    super(`${status} ${code}`.trim());
  }
}
