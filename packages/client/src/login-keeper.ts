import { accessTokenIn } from './access-token.js';
import type { AccessToken } from './access-token.js';
import type { AuthError } from './auth-error.js';
import { isTemporary, retrying } from './service-calls.js';
import type { ServiceCalls, Tokens } from './service-calls.js';
import { format, parse } from './storage.js';
import type { LoginStore, StoredLogin } from './storage.js';
import { CHANGED, OVERTAKEN_MS, Tabs, onPageEvent } from './tabs.js';

/**
 * The state of the client. `unverified`: a login is stored, but the service has not confirmed it yet, for example because the device is
 * offline.
 */
export type AuthState = 'signed-in' | 'signed-out' | 'unverified';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export interface KeeperOptions {
  readonly delivery: 'cookie' | 'body';
  /** Whether the platform keeps cookies. Without them there is no session to use. */
  readonly hasCookies: boolean;
  /** The name of the channel to the other tabs; undefined if the storage is not shared between tabs. */
  readonly channel: string | undefined;
}

/** How often the client asks the service whether the user of a session is eligible for tokens. */
const MIGRATION_INTERVAL_MS = 300_000;
/** How soon the client asks again after that request failed. */
const MIGRATION_RETRY_MS = 30_000;

/** The id of a login whose family is not known yet. */
const NEW = '-';

const ignore = () => {};
/** The body of a call that presents a refresh token. Without one, the service uses the cookie. */
const bodyWith = (token: string | undefined) => (token ? { refresh_token: token } : {});

/**
 * Keeps one login alive. The login is in the storage, which other tabs change too. So the result of a call is stored only if the stored
 * value has not changed since the call began (compare-and-swap). Tabs refresh together, because the service gives the same answer to all of
 * them. A tab that comes later waits a moment until they are done: see {@link Tabs}.
 */
export class LoginKeeper {
  state: AuthState = 'unverified';
  /** Increases when the signed-in user changes. A request that began in another epoch is not repeated. */
  epoch = 0;
  /** The user; undefined if nobody is signed in, or if there is only a session cookie, which scripts cannot read. */
  sub: string | undefined;
  /** Whether requests are authenticated by a session cookie. */
  session: boolean | undefined;
  #access: AccessToken | undefined;
  /** Whether this client must not use the stored login any more: another user has signed in in another tab, or it was disposed of. */
  #displaced: boolean | undefined;
  #running: Promise<void> | undefined;
  /** Resolves when the last login of this client has succeeded or failed. */
  #login: Promise<void> | undefined;
  /** Aborts the calls of the last attempt. */
  #controller: AbortController | undefined;
  /** The stored login for which a downgrade has begun. It is repeated until it is answered, because it spends the refresh token. */
  #downgrading: string | null | false | undefined;
  /** When the client may ask again whether the user of a session is eligible for tokens. */
  #migrationDueAt = 0;
  /** When the last call that may set the refresh token was sent. */
  #askedAt = 0;
  readonly #listeners = new Set<(state: AuthState) => void>();
  readonly #tabs: Tabs;
  readonly #disposal = new AbortController();
  readonly #started: Promise<void> | undefined;

  readonly #calls: ServiceCalls;
  readonly #store: LoginStore;
  readonly #options: KeeperOptions;

  constructor(calls: ServiceCalls, store: LoginStore, options: KeeperOptions) {
    this.#calls = calls;
    this.#store = store;
    this.#options = options;
    const onChange = () => void this.#onChange();
    this.#tabs = new Tabs(options.channel, onChange, (isLater) => {
      const overtaken = this.#controller;
      const abort = () => overtaken?.abort();
      // A downgrade has no newer call: every one of them gets the same session.
      if (this.#downgrading) return;
      if (isLater) setTimeout(abort, OVERTAKEN_MS);
      else abort();
    });
    onPageEvent(() => void this.token().catch(ignore), onChange, options.channel, this.#disposal.signal);
    const value = store.read();
    if (value instanceof Promise) this.#started = value.then((stored) => this.#start(stored));
    else this.#start(value);
  }

  on(listener: (state: AuthState) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Returns a valid access token; undefined if nobody is signed in or a session cookie is in use. Throws if a refresh is necessary and the
   * service does not answer.
   */
  async token(): Promise<string | undefined> {
    await this.#started;
    const access = this.#access;
    const now = performance.now();
    if (access && now < access.expiresAt) {
      if (now >= access.renewAt) void this.#update().catch(ignore);
      return access.token;
    }
    if (this.#displaced) return undefined;
    const login = parse(await this.#store.read());
    if (login && !login.session) await this.#update();
    else if (this.#options.hasCookies && now >= this.#migrationDueAt) void this.#update().catch(ignore);
    return this.#access?.token;
  }

  /**
   * Gets new tokens after a 401. `refused`: the refused access token, undefined for a session cookie. If it has been replaced meanwhile,
   * does nothing.
   */
  async renew(refused: string | undefined): Promise<void> {
    if (this.#displaced || this.#access?.token !== refused) return;
    this.#access = undefined;
    if (!refused) this.#migrationDueAt = 0;
    await this.#update();
  }

  login(credentials: Credentials): Promise<void> {
    const login = this.#logIn(credentials);
    this.#login = login.catch(ignore);
    return login;
  }

  async #logIn({ username, password }: Credentials): Promise<void> {
    const epoch = ++this.epoch;
    // A late answer would replace the cookie of the login.
    this.#controller?.abort();
    const body = { username, password, token_delivery: this.#options.delivery };
    const tokens = await this.#rotate('auth/login', body, new AbortController(), '!');
    const access = accessTokenIn(tokens, this.#askedAt);
    if (epoch !== this.epoch) {
      await this.#revoke(tokens.refresh_token, access.token).catch(ignore);
      throw new Error('another login or logout has begun');
    }
    await this.#store.write(format(access.id, tokens.refresh_token));
    if (this.sub && this.sub !== access.sub) this.#forget();
    this.#displaced = false;
    this.#use(access);
    this.#tabs.tell(CHANGED);
  }

  /** Signs out here at once, then revokes the login at the service. Throws if the service cannot be reached. */
  async logout(): Promise<void> {
    this.epoch++;
    if (this.#displaced) return;
    const login = parse(await this.#store.read());
    const token = this.#access?.token;
    if (login) await this.#store.write(null);
    this.#forget();
    this.#tabs.tell(CHANGED);
    if (!login && !token) return;
    const call = () =>
      login?.session ? this.#calls.send('api/logout', {}) : this.#revoke(login?.token, token);
    await retrying(call).catch((error: unknown) => {
      // 401: the family or session was already revoked.
      if ((error as Partial<AuthError>).status !== 401) throw error;
    });
  }

  dispose(): void {
    this.#displaced = true;
    this.#access = undefined;
    this.epoch++;
    this.#listeners.clear();
    this.#disposal.abort();
    this.#tabs.close();
    this.#controller?.abort();
  }

  #start(stored: string | null): void {
    const login = parse(stored);
    if (login) this.session = login.session;
    else this.#become();
    if (login || this.#options.hasCookies) void this.#update().catch(ignore);
  }

  /** Handles a change of the storage by another tab. */
  async #onChange(): Promise<void> {
    if (this.#displaced) return;
    const login = parse(await this.#store.read());
    if (!login) this.#forget();
    else if (login.id !== this.#access?.id || login.session) {
      this.#access = undefined;
      this.session = login.session;
      await this.#update().catch(ignore);
    }
  }

  #update(): Promise<void> {
    return (this.#running ??= retrying(() => this.#attempt()).finally(() => (this.#running = undefined)));
  }

  /** Sends a call that may set the refresh token, and tells the other tabs. */
  async #rotate(path: string, body: object, controller = this.#controller!, sign = '+'): Promise<Tokens> {
    const name = Math.random();
    this.#askedAt = performance.now();
    this.#tabs.tell(sign + name);
    sign = '-';
    try {
      return await this.#calls.send(path, body, controller);
    } catch (error) {
      if ((error as Partial<AuthError>).status || controller.signal.aborted) sign = '=';
      throw error;
    } finally {
      this.#tabs.tell(sign + name);
    }
  }

  /** Makes one attempt to get a new access token for the stored login. */
  async #attempt(): Promise<void> {
    await this.#tabs.quiet();
    await this.#login;
    // A login may have brought a new token meanwhile.
    if (this.#displaced || (this.#access && this.#access.renewAt > performance.now())) return;
    this.#controller = new AbortController();
    const stored = await this.#store.read();
    const login = parse(stored);
    // After another tab has refreshed, a downgrade with the older token would trigger reuse detection.
    if (this.#downgrading !== stored) this.#downgrading = false;
    if (!login || login.session) return this.#migrate(stored, login);
    return this.#rotate(`auth/${this.#downgrading ? 'downgrade' : 'refresh'}`, bodyWith(login.token)).then(
      (tokens) => (this.#downgrading ? this.#useSession(stored, login.id) : this.#accept(stored, tokens)),
      (error: Partial<AuthError>) => {
        if (error.status === 401) return this.#end(stored, login);
        if (isTemporary(error)) throw error;
        // The user is not eligible for tokens any more, so continue with a session.
        this.#downgrading = error.code === 'jwt_not_enabled' && this.#options.hasCookies && stored;
        if (!this.#downgrading) throw error;
        return this.#attempt();
      },
    );
  }

  /** Signs out after the service refused the refresh token, unless another tab has stored a newer token or a session. */
  async #end(stored: string | null, { id }: StoredLogin): Promise<void> {
    // Another tab may be about to store the session for which it exchanged the refresh token. If it still waits, try again later.
    const busy = await this.#tabs.quiet(0);
    if ((await this.#store.read()) !== stored) return this.#attempt();
    if (busy) throw new TypeError('another tab is busy');
    // Another tab may have been closed after its downgrade and before it stored the session. We do not know whose session it is, so
    // increase the epoch: no pending request is repeated with it.
    if (this.#options.hasCookies && (await this.#eligible()) !== undefined) {
      this.epoch++;
      return this.#useSession(stored, id);
    }
    return this.#remove(stored);
  }

  /** Signs out in all tabs, unless another tab has logged in meanwhile. */
  async #remove(stored: string | null): Promise<void> {
    if ((await this.#store.replace(stored, null)) !== null) return this.#attempt();
    this.#forget();
    if (stored) this.#tabs.tell(CHANGED);
  }

  /** Exchanges the session, if there is one and its user is eligible for tokens. Called if there are no tokens. */
  async #migrate(stored: string | null, login: StoredLogin | undefined): Promise<void> {
    this.#access = undefined;
    // If the request fails, the next one follows after MIGRATION_RETRY_MS.
    this.#migrationDueAt = performance.now() + MIGRATION_RETRY_MS;
    const eligible = await this.#eligible();
    this.#migrationDueAt = performance.now() + MIGRATION_INTERVAL_MS;
    if (eligible === undefined) return this.#remove(stored);
    const id = login?.id ?? NEW;
    if (!eligible) return this.#useSession(stored, id);
    if ((await this.#store.read()) !== stored) return this.#attempt();
    return this.#rotate('auth/exchange', { token_delivery: this.#options.delivery }).then(
      (tokens) => this.#accept(stored, tokens),
      async (error: Partial<AuthError>) => {
        const { status } = error;
        if (!status) throw error;
        // Any other refusal keeps the session, which still works, even if the refusal is temporary. The client asks again after
        // MIGRATION_INTERVAL_MS.
        if (status !== 409) return this.#useSession(stored, id);
        // Another tab has exchanged the session. The refresh token is in the cookie.
        await this.#store.replace(stored, format(NEW));
        return this.#attempt();
      },
    );
  }

  /** Whether the user of the session is eligible for tokens; undefined if there is no session. */
  async #eligible(): Promise<boolean | undefined> {
    try {
      return (await this.#calls.send<{ eligible?: boolean }>('auth/migration', undefined, this.#controller))
        .eligible;
    } catch (error) {
      if (isTemporary(error)) throw error;
      // The service has no sessions.
      return undefined;
    }
  }

  /** Stores the new tokens if the stored login is still `stored`, and only then uses them. */
  async #accept(stored: string | null, tokens: Tokens): Promise<void> {
    const before = parse(stored);
    const access = accessTokenIn(tokens, this.#askedAt, before?.id);
    const { id } = access;
    // Another login has replaced the cookie. Only an exchange makes a new family.
    if (before && !before.session && before.id !== NEW && before.id !== id) return this.#remove(stored);
    const now = parse(await this.#store.replace(stored, format(id, tokens.refresh_token)));
    // Another tab has logged out or logged in (another id). A refresh of the same login is fine.
    if (now?.id !== id) return now ? this.#attempt() : this.#forget();
    this.#use(access);
    // If the login is new, the other tabs still use the session: let them read the storage.
    if (before?.id !== id) this.#tabs.tell(CHANGED);
  }

  #use(access: AccessToken): void {
    if (this.sub && this.sub !== access.sub) {
      this.#forget();
      this.#displaced = true;
      return;
    }
    this.#become(access);
  }

  async #useSession(stored: string | null, id: string): Promise<void> {
    const now = await this.#store.replace(stored, format(id, '', true));
    const login = parse(now);
    if (!login?.session) return login ? this.#attempt() : this.#forget();
    this.#become(undefined, true, this.sub);
    if (now !== stored) this.#tabs.tell(CHANGED);
  }

  /** Signs this tab out. */
  #forget(): void {
    if (this.state !== 'signed-out') this.epoch++;
    this.#become();
  }

  #revoke(refreshToken: string | undefined, accessToken: string | undefined): Promise<unknown> {
    return this.#calls.send('auth/logout', bodyWith(refreshToken), undefined, accessToken);
  }

  /** Sets who is signed in, and tells the listeners. Without arguments, nobody is. */
  #become(access?: AccessToken, session = false, sub = access?.sub): void {
    this.#access = access;
    this.session = session;
    this.sub = sub;
    const state = access || session ? 'signed-in' : 'signed-out';
    if (state === this.state) return;
    this.state = state;
    for (const listener of this.#listeners) listener(state);
  }
}
