import { AuthError } from './auth-error.js';

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

export interface Tokens {
  readonly access_token: string;
  readonly refresh_token?: string;
  readonly expires_in: number;
}

const TIMEOUT_MS = 15_000;
const ATTEMPTS = 3;
const FIRST_BACK_OFF_MS = 500;
const MAX_RETRY_AFTER_S = 5;

/** Calls to the authentication endpoints of one service. */
export class ServiceCalls {
  readonly #running = new Set<AbortController>();

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
   * service refuses, and any other error if no complete answer arrives within 15 seconds.
   */
  async send<T>(path: string, body?: object, accessToken?: string): Promise<T> {
    const url = new URL(path, this.base).href;
    const headers: Record<string, string> = {};
    if (body) headers['Content-Type'] = 'application/json';
    if (accessToken) headers['Authorization'] = `Bearer ${accessToken}`;
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), TIMEOUT_MS);
    this.#running.add(controller);
    try {
      const response = await this.#fetch(url, {
        method: body ? 'POST' : 'GET',
        headers,
        ...(body ? { body: JSON.stringify(body) } : {}),
        credentials: this.#credentials,
        cache: 'no-store',
        redirect: 'error',
        signal: controller.signal,
      });
      // Some platforms ignore `redirect`.
      if (response.redirected) throw new TypeError(`${url} was redirected`);
      const text = await response.text();
      if (!response.ok) {
        const retryAfter = Number(response.headers.get('Retry-After')) || 0;
        throw new AuthError(response.status, codeIn(response, text), retryAfter);
      }
      return (text ? JSON.parse(text) : {}) as T;
    } finally {
      clearTimeout(timer);
      this.#running.delete(controller);
    }
  }

  /** Aborts all calls that are running. */
  abort(): void {
    for (const controller of this.#running) controller.abort();
  }
}

/** The code of a refusal: in the header, because proxies replace bodies, or in the body. */
export function codeIn({ headers }: Response, text: string): string {
  const code = headers.get('X-Auth-Error');
  if (code) return code;
  try {
    const { code: inBody } = JSON.parse(text) as { code?: unknown };
    return typeof inBody === 'string' ? inBody : '';
  } catch {
    return '';
  }
}

/** Tries up to three times, unless the service refuses for good. Waits with jitter, and as long as `Retry-After` says, up to five seconds. */
export async function retrying<T>(action: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await action();
    } catch (error) {
      const { status = 503, retryAfter = 0 } = error as Partial<AuthError>;
      if (attempt === ATTEMPTS || (status < 500 && status !== 429)) throw error;
      const backOff = FIRST_BACK_OFF_MS * attempt * (0.5 + Math.random());
      await delay(Math.max(backOff, Math.min(retryAfter, MAX_RETRY_AFTER_S) * 1000));
    }
  }
}

export function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
