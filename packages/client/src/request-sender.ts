import type { LoginKeeper } from './login-keeper.js';
import { codeIn, unlessAborted } from './service-calls.js';
import type { Fetch } from './service-calls.js';

/** The access token was valid once, so a refresh gives a better one. */
const RENEWABLE = ['token_expired', 'token_revoked'];
/** The session cookie is not valid any more. */
const LOGIN_OVER = ['session_invalid', 'sessions_removed', 'token_missing'];

/** Sends an app's requests with the access token, to allowed origins only. */
export class RequestSender {
  readonly #origins: readonly string[];

  readonly #keeper: LoginKeeper;
  readonly #base: URL;
  readonly #fetch: Fetch;

  constructor(keeper: LoginKeeper, base: URL, origins: readonly string[], fetch: Fetch) {
    this.#keeper = keeper;
    this.#base = base;
    this.#fetch = fetch;
    this.#origins = [base.origin, ...origins.map((origin) => new URL(origin).origin)];
  }

  async send(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
    const request = (input as Partial<Request>).url ? (input as Request) : undefined;
    const url = new URL(request?.url ?? (input as string | URL), this.#base);
    this.#requireAllowed(url);
    const headers = new Headers(init.headers ?? request?.headers);
    const options: RequestInit = { ...init, headers };
    if (url.pathname.startsWith(`${this.#base.pathname}auth/`)) options.redirect = 'error';
    // The app authenticates this request in its own way.
    if (headers.has('Authorization')) return this.#once(request ?? url.href, options);

    const keeper = this.#keeper;
    const signal = init.signal ?? request?.signal;
    // A refresh continues for other requests after this one has been aborted.
    const token = await unlessAborted(keeper.token(), signal);
    const { epoch, session, sub } = keeper;
    // Nobody knows whose session the cookie is, so such a request could be repeated as somebody else's.
    const again = sub && repeatable(request, init) ? (request?.clone() ?? url.href) : undefined;
    const response = await this.#once(request ?? url.href, this.#authenticated(options, token));
    if (response.status !== 401 || !(token || session)) return response;
    const code = codeIn(response, await response.clone().text());
    if (!(token ? RENEWABLE : LOGIN_OVER).includes(code)) return response;
    await unlessAborted(keeper.renew(token), signal);
    const renewed = await unlessAborted(keeper.token(), signal);
    if (keeper.epoch !== epoch || again === undefined || !(renewed || (token && keeper.session)))
      return response;
    await response.body?.cancel();
    return this.#once(again, this.#authenticated(options, renewed));
  }

  #authenticated(options: RequestInit, token: string | undefined): RequestInit {
    const headers = new Headers(options.headers);
    if (token) headers.set('Authorization', `Bearer ${token}`);
    return { ...(!token && this.#keeper.session && { credentials: 'include' }), ...options, headers };
  }

  async #once(target: string | Request, options: RequestInit): Promise<Response> {
    const response = await this.#fetch(target, options);
    // An answer without a URL was made by the app itself.
    if (response.url) this.#requireAllowed(new URL(response.url));
    return response;
  }

  #requireAllowed({ protocol, origin }: URL): void {
    // A blob has the origin of the page that made it.
    if (!/^https?:$/.test(protocol) || !this.#origins.includes(origin))
      throw new TypeError(`${origin} is not an origin of this client`);
  }
}

/**
 * Whether the same request can be sent twice. A stream is gone after the first time. Of a `Request`, a body without Content-Type was a
 * stream or bytes. A browser whose requests have no `body` sends no streams.
 */
function repeatable(request: Request | undefined, { body }: RequestInit): boolean {
  if (body) return !(typeof body === 'object' && ('getReader' in body || Symbol.asyncIterator in body));
  return !request?.body || request.headers.has('Content-Type');
}
