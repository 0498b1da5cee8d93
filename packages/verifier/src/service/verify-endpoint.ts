import { AuthError, unavailable } from '../auth-error.js';
import type { Principal } from '../principal.js';
import { isId, isRole, isStoredExternalId } from '../token.js';
import { timeoutAfter } from './bounded-fetch.js';
import type { Fetch } from './bounded-fetch.js';

/** The timeout of a call, in ms. */
const TIMEOUT_MS = 2_000;

/** Calls that run at the same time. */
const MAX_CALLS = 256;

const CODE = /^[a-z][a-z_]{0,63}$/;
const SECONDS = /^\d{1,9}$/;

/** The service's answer about a request. */
export interface Judgement {
  readonly outcome: Principal | AuthError;
  /** When we asked, on the monotonic clock: the answer may be as old as that. */
  readonly askedAt: number;
}

/** Asks `/auth/verify` at the service who makes a request. */
export class VerifyEndpoint {
  private readonly url: string;
  private calls = 0;

  constructor(
    issuer: string,
    private readonly fetch: Fetch,
    private readonly signal: AbortSignal,
    private readonly monotonic: () => number = () => performance.now(),
  ) {
    this.url = `${issuer.replace(/\/$/, '')}/auth/verify`;
  }

  /** Asks the service about a request. Throws 503 if it gives no answer, or one that it does not document. */
  async ask(headers: Readonly<Record<string, string>>): Promise<Judgement> {
    if (this.calls >= MAX_CALLS) throw unavailable(new Error('too many calls of the service at once'));
    const askedAt = this.monotonic();
    const timeout = timeoutAfter(TIMEOUT_MS, this.signal);
    this.calls += 1;
    try {
      const { signal } = timeout;
      const response = await this.fetch(this.url, { headers: { ...headers }, redirect: 'manual', signal });
      await response.body?.cancel();
      return { outcome: outcomeOf(response), askedAt };
    } catch (error) {
      throw unavailable(error);
    } finally {
      this.calls -= 1;
      timeout.clear();
    }
  }
}

function outcomeOf({ status, headers }: Response): Principal | AuthError {
  if (status === 204) return principalIn(headers);
  const code = headers.get('x-auth-error') ?? '';
  if ((status !== 401 && status !== 403) || !CODE.test(code))
    throw new Error(`/auth/verify answered ${status}`);
  const retryAfter = headers.get('retry-after') ?? '';
  return new AuthError(status, code, { retryAfter: SECONDS.test(retryAfter) ? retryAfter : undefined });
}

function principalIn(headers: Headers): Principal {
  const userId = headers.get('x-auth-user-id');
  const externalId = headers.get('x-auth-external-id');
  const role = headers.get('x-auth-role');
  const scheme = headers.get('x-auth-scheme');
  if (!isId(userId) || !isRole(role) || !isStoredExternalId(externalId))
    throw new Error('/auth/verify names no principal');
  if (scheme !== 'bearer' && scheme !== 'session') throw new Error('/auth/verify names no scheme');
  return Object.freeze({ userId, ...(externalId !== '-' && { externalId }), role, scheme });
}
