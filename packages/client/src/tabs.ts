/** What a page offers, as far as there is a page. */
interface Page {
  readonly document?: { readonly visibilityState?: string };
  readonly addEventListener: (type: string, listener: () => void) => void;
  readonly removeEventListener: (type: string, listener: () => void) => void;
}

const page = globalThis as unknown as Page;

/** A cookie jar that scripts do not see. React Native and Node have no `document`. */
export function isBrowser(): boolean {
  return page.document !== undefined;
}

const WAKING = ['visibilitychange', 'pageshow', 'online'];

/** Calls `wake` when the page becomes visible, comes back or is online again. Returns a function that stops this. */
export function onWake(wake: () => void): () => void {
  if (!isBrowser()) return () => {};
  const listener = () => {
    if (page.document!.visibilityState !== 'hidden') wake();
  };
  for (const type of WAKING) page.addEventListener(type, listener);
  return () => {
    for (const type of WAKING) page.removeEventListener(type, listener);
  };
}

/**
 * Messages between clients that share a storage. They contain no token, and nobody trusts them: after a message a client looks at its
 * storage. `changed` is the message that the storage has changed. Any other message is the id of a login that has been refreshed.
 */
export class Tabs {
  #channel: InstanceType<typeof BroadcastChannel> | undefined;
  #refreshed: unknown = '';
  #refreshedAt = -Infinity;

  /** `name`: undefined if no other client shares the storage. */
  constructor(name: string | undefined, onChange: () => void) {
    if (name === undefined || typeof BroadcastChannel === 'undefined') return;
    this.#channel = new BroadcastChannel(name);
    // In Node an open channel keeps the process alive.
    (this.#channel as { unref?: () => void }).unref?.();
    this.#channel.onmessage = ({ data }: { data: unknown }) => {
      if (data === CHANGED) return onChange();
      this.#refreshed = data;
      this.#refreshedAt = performance.now();
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
