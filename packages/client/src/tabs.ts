import { TIMEOUT_MS, delay } from './service-calls.js';

/** The functions of a page that this file uses. They are missing outside of a page. */
interface Page {
  readonly document?: { readonly visibilityState?: string };
  readonly addEventListener: (type: string, listener: PageListener, options: object) => void;
}

/** An event of the page. `key` is set for an event of the storage. */
type PageListener = (event: { readonly type: string; readonly key?: string | null }) => void;

const page = globalThis as unknown as Page;

/** Whether the platform keeps cookies that scripts cannot see. React Native and Node have no `document`. */
export function isBrowser(): boolean {
  return Boolean(page.document);
}

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
  if (isBrowser())
    for (const type of ['visibilitychange', 'pageshow', 'online', 'storage'])
      page.addEventListener(type, listener, { signal });
}

export const CHANGED = 'changed';
/** The time after which an overtaken call is aborted. Otherwise the cookie of a late answer would replace a newer one. */
export const OVERTAKEN_MS = 1_000;
/**
 * How long a client waits for an overtaken call of another client: until that has been aborted. A page that has just been hidden may take up
 * to two seconds, because its timers run once a second.
 */
const QUIET_MS = 2_200;
const POLL_MS = 5;

/**
 * Sends messages between clients that share a storage. They contain no token, and no client trusts them. After `changed`, a client reads
 * its storage. The other messages are about calls that may set the refresh token: one has started (`+` and a random number), has ended
 * (`-`), or was refused or aborted and has set nothing (`=`). A login starts with `!`: the refreshes in flight are aborted, and no other joins it.
 *
 * If a call with an old refresh token arrives after two newer refreshes, the service sees reuse and revokes the family. So a client starts
 * no such call before those of the other clients have arrived. See {@link quiet}.
 */
export class Tabs {
  #channel: InstanceType<typeof BroadcastChannel> | undefined;
  /** The calls of other clients that may be in flight. One that never ends is forgotten: its client was closed. */
  readonly #calls = new Set<string>();
  /** Whether a call has started since the last one ended. */
  #fresh: boolean | undefined;

  /**
   * `name`: undefined if no other client shares the storage. `onOvertaken`: a login of another client has begun, or (`isLater`) a call has
   * ended. In a hidden page there is no `isLater`, because its timers are slow: abort at once.
   */
  constructor(name: string | undefined, onChange: () => void, onOvertaken: (isLater?: boolean) => void) {
    if (!name || !globalThis.BroadcastChannel) return;
    this.#channel = new BroadcastChannel(name);
    // In Node an open channel keeps the process alive.
    (this.#channel as { unref?: () => void }).unref?.();
    this.#channel.onmessage = ({ data }: { data: unknown }) => {
      if (data === CHANGED) return onChange();
      const text = String(data);
      const [sign] = text;
      const name = text.slice(1);
      this.#fresh = sign === '+';
      if (this.#fresh || sign === '!') {
        this.#calls.add(name);
        setTimeout(() => this.#calls.delete(name), TIMEOUT_MS);
      } else this.#calls.delete(name);
      if (sign === '-') onOvertaken(page.document?.visibilityState !== 'hidden');
      if (sign === '!') onOvertaken();
    };
  }

  tell(message: string): void {
    // The channel does not deliver to its sender. Its own call has ended too, and may have replaced the refresh token of the others.
    this.#fresh = false;
    this.#channel?.postMessage(message);
  }

  /**
   * Waits until at most `joined` calls of other clients are in flight, but no longer than {@link QUIET_MS}. After one of them has ended, waits for
   * all others. A refresh may join a single call: until that is answered, both clients have the same token. Returns how many are in flight.
   */
  async quiet(joined = 1): Promise<number> {
    const limit = performance.now() + QUIET_MS;
    // Wait at least once, so that messages that arrived while this page was busy are handled first.
    do await delay(POLL_MS);
    while (this.#calls.size > (this.#fresh ? joined : 0) && performance.now() < limit);
    return this.#calls.size;
  }

  close(): void {
    this.#channel?.close();
    this.#channel = undefined;
  }
}
