import { AuthError } from './auth-error.js';

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

export interface Tokens {
  readonly access_token: string;
  readonly refresh_token?: string;
  readonly expires_in: number;
}

/** The time after which a call without a complete answer is aborted. */
export const TIMEOUT_MS = 15_000;
const ATTEMPTS = 3;
const FIRST_BACK_OFF_MS = 500;
const MAX_RETRY_AFTER_S = 5;

/** Calls to the authentication endpoints of one service. */
export class ServiceCalls {
  readonly #fetch: Fetch;
  readonly #credentials: 'include' | 'omit';

  /** `base` ends in a slash. */
  constructor(
    readonly base: URL,
    fetch: Fetch,
    credentials: 'include' | 'omit',
  ) {
    this.#fetch = fetch;
    this.#credentials = credentials;
  }

  /**
   * Sends one call and returns the JSON of the answer, an empty object if there is none. Follows no redirect. Throws {@link AuthError} if the
   * service refuses, and any other error if no complete answer arrives within 15 seconds, even if `fetch` ignores its signal. The controller
   * aborts the call.
   */
  async send<T>(
    path: string,
    body?: object,
    controller = new AbortController(),
    accessToken?: string,
  ): Promise<T> {
    const url = `${this.base}${path}`;
    const headers = {
      ...(body && { 'Content-Type': 'application/json' }),
      ...(accessToken && { Authorization: `Bearer ${accessToken}` }),
    };
    const { signal } = controller;
    const timer = setTimeout(() => controller.abort(), TIMEOUT_MS);
    const call = async () => {
      const response = await this.#fetch(url, {
        method: body ? 'POST' : 'GET',
        headers,
        body: body && JSON.stringify(body),
        credentials: this.#credentials,
        cache: 'no-store',
        redirect: 'error',
        signal,
      });
      // Some platforms ignore `redirect`.
      if (response.redirected) throw new TypeError(`${url} was redirected`);
      const text = await response.text();
      const retryAfter = Number(response.headers.get('Retry-After')) || 0;
      if (!response.ok) throw new AuthError(response.status, codeIn(response, text), retryAfter);
      return (text ? JSON.parse(text) : {}) as T;
    };
    try {
      return await unlessAborted(call(), signal);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The code of a refusal: in the header, because proxies replace bodies, or in the body. */
export function codeIn({ headers }: Response, text: string): string {
  try {
    return headers.get('X-Auth-Error') || `${(JSON.parse(text) as { code?: string }).code ?? ''}`;
  } catch {
    return '';
  }
}

/** Whether the same call may succeed later: the network failed, or the service cannot answer now. */
export function isTemporary(error: unknown): boolean {
  const { status = 503 } = error as Partial<AuthError>;
  return status >= 500 || status === 429;
}

/** Tries up to three times, unless the service refuses for good. Waits with jitter, and as long as `Retry-After` says, up to five seconds. */
export async function retrying<T>(action: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await action();
    } catch (error) {
      const { retryAfter = 0 } = error as Partial<AuthError>;
      if (attempt === ATTEMPTS || !isTemporary(error)) throw error;
      await delay(
        Math.max(
          FIRST_BACK_OFF_MS * attempt * (0.5 + Math.random()),
          Math.min(retryAfter, MAX_RETRY_AFTER_S) * 1000,
        ),
      );
    }
  }
}

/** Rejects when the signal aborts. Whatever the result comes from continues. */
export function unlessAborted<T>(result: Promise<T>, signal: AbortSignal | null | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal!.reason as Error);
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort);
    result.then(resolve, reject).finally(() => signal?.removeEventListener('abort', abort));
  });
}

export function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
