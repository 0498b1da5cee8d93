/** A server-sent event. */
export interface StreamEvent {
  readonly event: string;
  /** The position after the event, if it has one. */
  readonly id: string | undefined;
  readonly data: Record<string, unknown>;
}

export type Revocation = Partial<Record<'sid' | 'sub' | 'kid', string>> & {
  readonly epoch?: number;
  readonly exp: number;
};

interface StreamOptions {
  readonly lastEventId?: string | undefined;
  /** The path on the server. */
  readonly path?: string;
}

/** Milliseconds. */
const PATIENCE = 20_000;

/** The `Authorization` header of a service client. */
export function basic({
  client_id,
  client_secret,
}: {
  readonly client_id: string;
  readonly client_secret: string;
}): string {
  return `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`;
}

/** How long after its `as_of` a consumer may rely on `fresh`, in milliseconds. */
const FRESH_FOR = 900;

/** A consumer of a stream of server-sent events, as simple as the format allows. */
export class EventStream {
  readonly events: StreamEvent[] = [];
  /** The revocations so far. */
  readonly revocations: Revocation[] = [];
  /** Whether the server has ended the stream. A cut stream is not ended. */
  ended = false;
  closed = false;
  private wake: () => void = () => undefined;
  private readonly abort = new AbortController();

  /** `askedAt`: when the request was sent, on the monotonic clock. */
  private constructor(
    readonly response: Response,
    private readonly askedAt: number,
  ) {}

  /** Throws if the answer is not 200. */
  static async open(
    url: string,
    client: { readonly client_id: string; readonly client_secret: string },
    { lastEventId, path = '/oauth/revocations' }: StreamOptions = {},
  ): Promise<EventStream> {
    const headers: Record<string, string> = { authorization: basic(client) };
    if (lastEventId !== undefined) headers['last-event-id'] = lastEventId;
    const abort = new AbortController();
    const askedAt = performance.now();
    const response = await fetch(`${url}${path}`, { headers, signal: abort.signal });
    if (response.status !== 200) throw new Error(`no stream: ${response.status} ${await response.text()}`);
    const stream = new EventStream(response, askedAt);
    stream.abort.signal.addEventListener('abort', () => abort.abort());
    void stream.read();
    return stream;
  }

  /** Resolves with the result of `look` when that is not undefined. Throws if it never is. */
  async until<T>(look: (events: readonly StreamEvent[]) => T | undefined): Promise<T> {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      const found = look(this.events);
      if (found !== undefined) return found;
      const left = deadline - Date.now();
      if (left <= 0 || this.closed)
        throw new Error(`not among ${JSON.stringify(this.events.slice(-20)).slice(0, 2_000)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Resolves when an event `fresh` has come after the first `after` events. */
  fresh(after = 0): Promise<StreamEvent> {
    return this.until((events) => events.slice(after).find(({ event }) => event === 'fresh'));
  }

  /** Resolves when the server has ended the stream. */
  async end(): Promise<void> {
    while (!this.closed) await this.until(() => (this.closed ? true : undefined));
  }

  /** Whether the rules for consumers allow to accept a token of the family now. */
  accepts(sid: string): boolean {
    const now = (this.events[0]?.data['now'] as number | undefined) ?? Infinity;
    const asOf =
      (this.events.findLast(({ event }) => event === 'fresh')?.data['as_of'] as number | undefined) ??
      -Infinity;
    return now + (performance.now() - this.askedAt) - asOf < FRESH_FOR && !this.knows(sid);
  }

  /** Whether the family is known to be revoked. */
  knows(sid: string): boolean {
    return this.revocations.some((each) => each.sid === sid);
  }

  close(): void {
    this.abort.abort();
  }

  private add(event: StreamEvent): void {
    this.events.push(event);
    if (event.event === 'revoked') this.revocations.push(...(event.data['revocations'] as Revocation[]));
  }

  private async read(): Promise<void> {
    let text = '';
    try {
      for await (const chunk of this.response.body!.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        const blocks = text.split('\n\n');
        text = blocks.pop()!;
        for (const block of blocks) this.add(parse(block));
        this.wake();
      }
      this.ended = true;
    } catch {
      // Closed by the test, or cut by the server.
    }
    this.closed = true;
    this.wake();
  }
}

function parse(block: string): StreamEvent {
  const fields = new Map(
    block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  );
  return {
    event: fields.get('event') ?? '',
    id: fields.get('id'),
    data: JSON.parse(fields.get('data') ?? '{}') as Record<string, unknown>,
  };
}
