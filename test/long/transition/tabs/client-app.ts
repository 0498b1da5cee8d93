import { createAuthClient } from '@tandem-auth/client';
import type { AuthClient, AuthClientOptions } from '@tandem-auth/client';

/** What an app has seen since it started. */
export interface Seen {
  /** Each state of the client, in order. */
  readonly states: string[];
  /** Outcomes of the app's requests, and how often they came: a status, or the name of an error. */
  readonly outcomes: Record<string, number>;
  /** Refreshes that were sent, and those of them that gave tokens. */
  sent: number;
  refreshes: number;
  /** Refreshes that gave tokens although the token was in the first half of its life, and no call had been refused. */
  early: number;
}

/** Between two requests of an app. */
const PAUSE_MS = 200;
/** A request that gets no answer for so long is given up: what hangs is seen. */
const TIMEOUT_MS = 20_000;

/**
 * An app that calls the API all the time, in a page or in a program. Its wall clock is `offset` milliseconds off. Self-contained: it is bundled
 * for the place where it runs.
 */
export function startApp(
  options: AuthClientOptions,
  offset: number,
): { readonly client: AuthClient; readonly seen: Seen } {
  const now = Date.now.bind(Date);
  Date.now = () => now() + offset;
  const seen: Seen = { states: [], outcomes: {}, sent: 0, refreshes: 0, early: 0 };
  const client = createAuthClient({ ...options, fetch: observed(seen) });
  client.on('state', (state) => seen.states.push(state));
  const work = async (): Promise<void> => {
    const outcome = await client.fetch('/api/users/me', { signal: AbortSignal.timeout(TIMEOUT_MS) }).then(
      async (answer) => {
        await answer.text();
        return String(answer.status);
      },
      ({ name, message }: Error) => `${name}: ${message}`,
    );
    seen.outcomes[outcome] = (seen.outcomes[outcome] ?? 0) + 1;
    setTimeout(() => void work(), PAUSE_MS);
  };
  void work();
  return { client, seen };
}

/** The global `fetch`, which counts the refreshes that an app sends. */
function observed(seen: Seen): NonNullable<AuthClientOptions['fetch']> {
  /** Until then no refresh makes sense. */
  let validUntil = -Infinity;
  return async (input, init) => {
    const askedAt = performance.now();
    const path = /\/(?:auth|api)\/[\w/]+/.exec(input instanceof Request ? input.url : String(input))?.[0];
    if (path === '/auth/refresh') seen.sent += 1;
    const answer = await fetch(input, init);
    if (path === '/auth/refresh' && answer.ok) {
      const { expires_in: life } = (await answer.clone().json()) as { readonly expires_in: number };
      seen.refreshes += 1;
      if (askedAt < validUntil) seen.early += 1;
      // The client renews in the last tenth of the life. On a busy machine it may have looked at the clock much earlier than this line.
      validUntil = askedAt + life * 500;
    } else if (path !== '/api/users/me' || answer.status === 401) {
      validUntil = -Infinity;
    }
    return answer;
  };
}
