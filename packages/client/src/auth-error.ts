/** The service refused a call. */
export class AuthError extends Error {
  override readonly name = 'AuthError';

  /** `code` is the stable code of the refusal, such as `invalid_credentials`. It is empty if the answer has none. */
  constructor(
    readonly status: number,
    readonly code: string,
  ) {
    super(`${status} ${code}`.trim());
  }
}
