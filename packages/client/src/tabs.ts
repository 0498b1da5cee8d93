import { delay } from './service-calls.js';

/** What a page offers, as far as there is a page. */
interface Page {
  readonly document?: { readonly visibilityState?: string };
  readonly addEventListener: (type: string, listener: PageListener, options: object) => void;
}

/** `key`: of an event of the storage. */
type PageListener = (event: { readonly type: string; readonly key?: string | null }) => void;

const page = globalThis as unknown as Page;

/** A cookie jar that scripts do not see. React Native and Node have no `document`. */
export function isBrowser(): boolean {
  return page.document !== undefined;
}

const EVENTS = ['visibilitychange', 'pageshow', 'online', 'storage'];

/**
 * Calls `wake` when the page becomes visible, comes back or is online again, and `onChange` when another tab has changed that key of
 * `localStorage`. A message about the change may come before the change itself. The signal stops this.
 */
export function onPageEvent(
  wake: () => void,
  onChange: () => void,
  storageKey: string | undefined,
  signal: AbortSignal,
): void {
  const listener: PageListener = ({ type, key }) => {
    if (type === 'storage') {
      if (key === storageKey) onChange();
    } else if (page.document!.visibilityState !== 'hidden') wake();
  };
  if (isBrowser()) for (const type of EVENTS) page.addEventListener(type, listener, { signal });
}

export const CHANGED = 'changed';
/** After this time an overtaken call is aborted: the cookie of a late answer would replace a newer one. */
export const OVERTAKEN_MS = 1_000;
/** For how long an overtaken call of another client is awaited: until it has been aborted. A client that hangs is awaited for no longer. */
const QUIET_MS = 1_200;
const POLL_MS = 5;

/**
 * Messages between clients that share a storage. They contain no token, and nobody trusts them. After `changed` a client looks at its storage.
 * The others are about calls that may set the refresh token: one has begun (`+` and a random number), has ended (`-`), or has been refused
 * and has set nothing (`=`).
 *
 * After two refreshes in a row, a call that is still on its way with the token before both looks like theft, and ends the login everywhere.
 * So a client sends no such call before those of the others have arrived. See {@link quiet}.
 */
export class Tabs {
  #channel: InstanceType<typeof BroadcastChannel> | undefined;
  /** The calls of other clients that may be on their way. */
  readonly #calls = new Set<string>();
  /** Whether a call has begun since the last one ended. */
  #fresh = false;

  /** `name`: undefined if no other client shares the storage. `onOvertaken`: a call of another client has ended. */
  constructor(name: string | undefined, onChange: () => void, onOvertaken: () => void) {
    if (!name || typeof BroadcastChannel === 'undefined') return;
    this.#channel = new BroadcastChannel(name);
    // In Node an open channel keeps the process alive.
    (this.#channel as { unref?: () => void }).unref?.();
    this.#channel.onmessage = ({ data }: { data: unknown }) => {
      if (data === CHANGED) return onChange();
      const text = String(data);
      const [sign] = text;
      this.#fresh = sign === '+';
      this.#calls[this.#fresh ? 'add' : 'delete'](text.slice(1));
      const expiry = this.#fresh ? 2 * QUIET_MS : QUIET_MS;
      if (sign !== '=') for (const each of this.#calls) setTimeout(() => this.#calls.delete(each), expiry);
      if (sign === '-') onOvertaken();
    };
  }

  tell(message: string): void {
    this.#channel?.postMessage(message);
  }

  /**
   * Waits until no call of another client is on its way, at most {@link QUIET_MS}. A single one that nobody has overtaken may be joined: until
   * it is answered, both have the same token.
   */
  async quiet(): Promise<void> {
    const limit = performance.now() + QUIET_MS;
    // At least once: first come the messages that have arrived while this page was busy.
    if (this.#channel)
      do await delay(POLL_MS);
      while (this.#calls.size > (this.#fresh ? 1 : 0) && performance.now() < limit);
  }

  close(): void {
    this.#channel?.close();
    this.#channel = undefined;
  }
}
