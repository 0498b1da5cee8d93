import { setTimeout as delay } from 'node:timers/promises';

/** What a test makes the stream say. */
export interface Script {
  say(name: string, data: unknown, id?: string): void;
  raw(text: string): void;
  end(): void;
  readonly headers: Headers;
  /** Whether the consumer has ended the request. */
  readonly aborted: boolean;
}

/** The stream of a service that says what the test wants. Each request is a {@link Script}. */
export class ScriptedStream {
  readonly requests: Script[] = [];
  /** Answers the next requests instead of a stream. */
  answer: (() => Response | Promise<Response>) | undefined;

  readonly fetch = (_url: string, init: RequestInit): Promise<Response> => {
    const encoder = new TextEncoder();
    let controller: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) });
    const signal = init.signal!;
    signal.addEventListener('abort', () => {
      try {
        controller.error(signal.reason);
      } catch {
        // It has ended.
      }
    });
    const raw = (text: string) => controller.enqueue(encoder.encode(text));
    this.requests.push({
      raw,
      say: (name, data, id) =>
        raw(`${id === undefined ? '' : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`),
      end: () => controller.close(),
      headers: new Headers(init.headers),
      get aborted() {
        return signal.aborted;
      },
    });
    if (this.answer !== undefined) return Promise.resolve(this.answer());
    return Promise.resolve(new Response(body, { headers: { 'content-type': 'text/event-stream' } }));
  };

  /** The request with this number, when it has arrived. */
  async request(index: number): Promise<Script> {
    for (const deadline = Date.now() + 20_000; this.requests.length <= index; await delay(2)) {
      if (Date.now() > deadline) throw new Error(`there is no request ${index}`);
    }
    return this.requests[index]!;
  }
}
