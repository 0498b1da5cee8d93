/** Sends a request to the service. Tests and products with their own agent pass another function. */
export type Fetch = (input: string, init: RequestInit) => Promise<Response>;

/** How much of the service's time and of our memory a call may take. */
export interface CallBounds {
  /** Milliseconds for the whole call. */
  readonly timeoutMs: number;
  /** Bytes of the body. */
  readonly maxBytes: number;
  /** Ends the call early, when the verifier is closed. */
  readonly signal: AbortSignal;
}

/** Gets a JSON document. Follows no redirect: the document would come from a server that nobody configured. Throws otherwise. */
export async function fetchJson(fetch: Fetch, url: string, bounds: CallBounds): Promise<unknown> {
  const timeout = timeoutAfter(bounds.timeoutMs, bounds.signal);
  try {
    const response = await fetch(url, {
      headers: { accept: 'application/json' },
      redirect: 'manual',
      signal: timeout.signal,
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new StatusError(url, response);
    }
    return JSON.parse(await readText(response, bounds.maxBytes)) as unknown;
  } finally {
    timeout.clear();
  }
}

/** The service answered with another status than the one expected. */
export class StatusError extends Error {
  override readonly name = 'StatusError';
  readonly status: number;
  /** How long the service asks us to wait, in milliseconds. */
  readonly retryAfterMs: number;

  constructor(url: string, { status, headers }: Pick<Response, 'status' | 'headers'>) {
    super(`${url} answered ${status}`);
    this.status = status;
    const seconds = headers.get('retry-after') ?? '';
    this.retryAfterMs = /^\d{1,6}$/.test(seconds) ? Number(seconds) * 1_000 : 0;
  }
}

/** Returns a signal that aborts after this number of milliseconds, or with `signal`. Its timer keeps no process alive. */
export function timeoutAfter(
  ms: number,
  signal: AbortSignal,
): { readonly signal: AbortSignal; clear(): void } {
  const controller = new AbortController();
  const abort = () =>
    controller.abort(new Error(signal.aborted ? 'the verifier was closed' : `no answer within ${ms} ms`));
  const timer = unref(setTimeout(abort, ms));
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort);
  return {
    signal: controller.signal,
    clear() {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    },
  };
}

/** Lets the process end although the timer runs. Only Node.js and its relatives have such timers. */
export function unref<Timer>(timer: Timer): Timer {
  (timer as { unref?: () => void }).unref?.();
  return timer;
}

async function readText(response: Response, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let text = '';
  let size = 0;
  const reader = response.body?.getReader();
  for (let chunk = await reader?.read(); chunk?.value !== undefined; chunk = await reader?.read()) {
    size += chunk.value.length;
    if (size > maxBytes) {
      await reader?.cancel();
      throw new Error(`${response.url} sent more than ${maxBytes} bytes`);
    }
    text += decoder.decode(chunk.value, { stream: true });
  }
  return text + decoder.decode();
}
