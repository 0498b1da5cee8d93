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

/**
 * Messages between clients that share a storage. They contain no token, and nobody trusts them: after a message a client looks at its
 * storage. `changed` is the message that the storage has changed. Any other message is the id of a login that has been refreshed.
 */
export class Tabs {
  #channel: InstanceType<typeof BroadcastChannel> | undefined;
  #refreshed: unknown = '';
  #refreshedAt = -Infinity;

  /** `name`: undefined if no other client shares the storage. `onRefresh`: another client has refreshed a login. */
  constructor(name: string | undefined, onChange: () => void, onRefresh: () => void) {
    if (!name || typeof BroadcastChannel === 'undefined') return;
    this.#channel = new BroadcastChannel(name);
    // In Node an open channel keeps the process alive.
    (this.#channel as { unref?: () => void }).unref?.();
    this.#channel.onmessage = ({ data }: { data: unknown }) => {
      if (data === CHANGED) return onChange();
      this.#refreshed = data;
      this.#refreshedAt = performance.now();
      onRefresh();
    };
  }

  tell(message: string): void {
    this.#channel?.postMessage(message);
  }

  /** Milliseconds since another client refreshed that login. */
  sinceRefresh(id: string | undefined): number {
    return id === this.#refreshed ? performance.now() - this.#refreshedAt : Infinity;
  }

  close(): void {
    this.#channel?.close();
    this.#channel = undefined;
  }
}

export const CHANGED = 'changed';
