/** Where a client keeps its login: `localStorage`, React Native's AsyncStorage or anything like them. */
export interface TokenStorage {
  getItem(key: string): MaybePromise<string | null | undefined>;
  setItem(key: string, value: string): MaybePromise<unknown>;
  removeItem(key: string): MaybePromise<unknown>;
}

export type MaybePromise<T> = T | Promise<T>;

/** A stored login. */
export interface StoredLogin {
  /** Random, not secret. It changes with each login and stays through refreshes. */
  readonly id: string;
  /** The refresh token; empty if a cookie has it. */
  readonly token: string;
  /** Whether a session cookie is in use instead of tokens. */
  readonly session: boolean;
}

/** The value as it is stored. For the arguments see {@link StoredLogin}. */
export function format(id: string, token = '', session = false): string {
  return `tandem1 ${id} ${token} ${session ? 's' : ''}`;
}

/** Parses a stored login; undefined for anything that this version has not written. */
export function parse(value: string | null): StoredLogin | undefined {
  const [, id, token, session] = /^tandem1 (\S+) (\S*) (s?)$/.exec(value ?? '') ?? [];
  return id ? { id, token: token!, session: Boolean(session) } : undefined;
}

/**
 * One login in a storage that other tabs share. Never throws: without a storage, and while it fails, the login is kept in memory. With a
 * synchronous storage all methods are synchronous, so that no other tab acts between a comparison and a write.
 */
export class LoginStore {
  /** The last known value. It counts while the storage cannot be read, and after a write has failed. */
  #known: string | null = null;
  #writeFailed: boolean | undefined;

  readonly #storage: TokenStorage | undefined;
  readonly #key: string;

  constructor(storage: TokenStorage | undefined, key: string) {
    this.#storage = storage;
    this.#key = key;
  }

  /** The stored value; null if there is none, or if another version has written it. */
  read(): MaybePromise<string | null> {
    if (this.#writeFailed) return this.#known;
    return attempt(
      () => this.#storage!.getItem(this.#key),
      (value) => (this.#known = parse(value ?? null) ? value! : null),
      () => this.#known,
    );
  }

  /** Stores `next` (null removes) only if the stored value is still `from`. Returns what is stored afterwards. */
  replace(from: string | null, next: string | null): MaybePromise<string | null> {
    return attempt(
      () => this.read(),
      (now) => (now === from && from !== next ? this.write(next) : now),
      () => null,
    );
  }

  /** Stores `next` whatever is stored now; null removes. Returns `next`. */
  write(next: string | null): MaybePromise<string | null> {
    this.#known = next;
    const done = (failed: boolean) => () => {
      this.#writeFailed = failed;
      return next;
    };
    const remove = () => this.#storage!.removeItem(this.#key);
    if (next === null) return attempt(remove, done(false), done(true));
    const set = () => this.#storage!.setItem(this.#key, next);
    // A full storage may have room after the old value has gone. No spent refresh token must stay, because presenting it later would
    // trigger reuse detection. A value without a token may stay: other tabs would take its absence for a logout.
    const retry = () => (parse(next)!.token ? attempt(remove, set, set) : set());
    return attempt(set, done(false), () => attempt(retry, done(false), done(true)));
  }
}

/** Continues like `then`, but synchronously if the action is synchronous. */
function attempt<T, U, V>(
  action: () => MaybePromise<T>,
  succeeded: (value: T) => MaybePromise<U>,
  failed: () => MaybePromise<V>,
): MaybePromise<U | V> {
  let value: MaybePromise<T>;
  try {
    value = action();
  } catch {
    return failed();
  }
  return value instanceof Promise ? value.then(succeeded, failed) : succeeded(value);
}
