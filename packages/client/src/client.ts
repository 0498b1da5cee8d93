import { LoginKeeper } from './login-keeper.js';
import type { AuthState, Credentials } from './login-keeper.js';
import { RequestSender } from './request-sender.js';
import { ServiceCalls } from './service-calls.js';
import type { Fetch } from './service-calls.js';
import { LoginStore } from './storage.js';
import type { TokenStorage } from './storage.js';
import { isBrowser } from './tabs.js';

export interface AuthClientOptions {
  /** Where the service is, with its path prefix if it has one. For a page it may be relative to the page. */
  readonly baseUrl: string | URL;
  /** More origins that receive the access token, such as `https://api.example.com`. */
  readonly origins?: readonly string[];
  /** Where the login is kept: `localStorage` in browsers, memory elsewhere. */
  readonly storage?: TokenStorage;
  /** How the refresh token arrives: in an HttpOnly cookie (in browsers), or in the body (elsewhere). */
  readonly delivery?: 'cookie' | 'body';
  /** Instead of the global `fetch`. */
  readonly fetch?: Fetch;
}

export interface AuthClient {
  /** `unverified` means that a login is stored, but the service has not confirmed it yet, for example because the device is offline. */
  readonly state: AuthState;
  /** Logs in. Throws `AuthError` if the service refuses. */
  readonly login: (credentials: Credentials) => Promise<void>;
  /** Ends the login on this device at once, then at the service. Throws if the service cannot be reached. */
  readonly logout: () => Promise<void>;
  /**
   * Like the global `fetch`, with the access token. The URL is relative to `baseUrl`. Throws if the URL, or the URL of the answer, is not
   * of an allowed origin. If the access token is refused as expired or revoked, there is at most one refresh and one repeat.
   */
  readonly fetch: Fetch;
  /**
   * Returns an access token for protocols other than HTTP. Undefined if nobody is signed in or a session cookie is in use. Send it to your
   * own service only.
   */
  readonly getAccessToken: () => Promise<string | undefined>;
  /** Calls the listener when the state changes. Returns a function that removes the listener. */
  readonly on: (event: 'state', listener: (state: AuthState) => void) => () => void;
  /** Stops everything that runs in the background. The login stays. */
  readonly dispose: () => void;
}

/** Creates a client. One per page or app is enough: it runs one refresh at a time. */
export function createAuthClient(options: AuthClientOptions): AuthClient {
  const { origins = [], delivery = isBrowser() ? 'cookie' : 'body' } = options;
  // While a server renders a page, a relative URL has no origin.
  const page = (globalThis as { location?: { href: string } }).location?.href ?? 'http://x';
  const base = new URL(options.baseUrl, page);
  base.search = base.hash = '';
  base.pathname = base.pathname.replace(/\/?$/, '/');
  const key = `tandem ${base.href}`;

  // Late, so that a replaced `fetch` is used, and never as a method of something else.
  const fetch: Fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  const hasCookies = isBrowser() || delivery === 'cookie';
  const storage = options.storage ?? pageStorage();
  const calls = new ServiceCalls(base, fetch, hasCookies ? 'include' : 'omit');
  const keeper = new LoginKeeper(calls, new LoginStore(storage, key), {
    delivery,
    hasCookies,
    channel: storage && key,
  });
  const sender = new RequestSender(keeper, base, origins, fetch);
  return {
    get state() {
      return keeper.state;
    },
    login: (credentials) => keeper.login(credentials),
    logout: () => keeper.logout(),
    fetch: (input, init) => sender.send(input, init),
    getAccessToken: () => keeper.token(),
    on: (_event, listener) => keeper.on(listener),
    dispose: () => keeper.dispose(),
  };
}

/** Returns the storage of the page; undefined without a page, and if the user forbids storage. */
function pageStorage(): TokenStorage | undefined {
  try {
    if (isBrowser()) return (globalThis as { localStorage?: TokenStorage }).localStorage ?? undefined;
  } catch {}
  return undefined;
}
