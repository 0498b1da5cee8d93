import type { Fetch } from '../service/bounded-fetch.js';
import { StatusError, unref } from '../service/bounded-fetch.js';
import { EventParser, StreamError } from './event-parser.js';
import type { StreamEvent } from './event-parser.js';
import type { Knowledge } from './knowledge.js';
import { Lease } from './lease.js';
import type { Clocks } from './lease.js';
import { readMessage } from './messages.js';
import { readPosition } from './position.js';

/**
 * The time without an event after which the connection is closed. The service sends one at least every 300 ms, so another connection may
 * reach a better node.
 */
export const SILENCE_MS = 3_000;

/** The timeout until the answer begins, in ms. */
const CONNECT_MS = 5_000;

/** What a connection needs. */
export interface ConnectionOptions {
  readonly fetch: Fetch;
  readonly url: string;
  /** The value of `Authorization`. */
  readonly authorization: string;
  readonly clocks: Clocks;
  readonly knowledge: Knowledge;
  /** Called after each event. */
  readonly onEvent: (connection: Connection) => void;
  /** Receives the keys that the service trusts. */
  readonly onKeys?: ((kids: readonly string[]) => void) | undefined;
}

/** The stream belongs to another incarnation of the database than what we know. */
export class OtherIncarnation extends StreamError {}

/** One request to the stream, and the lease that it gives. */
export class Connection {
  private readonly controller = new AbortController();
  private readonly lease: Lease;
  private readonly parser = new EventParser();
  private position = -1;
  private greeted = false;
  private complete = false;
  private silence: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: ConnectionOptions) {
    this.lease = new Lease(options.clocks);
  }

  /** Whether the first snapshot, or what was missed, has arrived whole. */
  get isComplete(): boolean {
    return this.complete;
  }

  isFresh(): boolean {
    return this.complete && this.lease.isFresh();
  }

  /** Follows the stream until it ends. Resolves if the service ends it. Rejects if it fails, or says what cannot be true. */
  async follow(): Promise<void> {
    const { fetch, url, authorization, knowledge } = this.options;
    const { signal } = this.controller;
    try {
      this.expectNews(CONNECT_MS);
      const id = knowledge.lastEventId;
      const response = await fetch(url, {
        headers: {
          accept: 'text/event-stream',
          authorization,
          ...(id !== undefined && { 'last-event-id': id }),
        },
        redirect: 'manual',
        cache: 'no-store',
        signal,
      });
      await this.readBody(requireStream(response, url));
    } finally {
      clearTimeout(this.silence);
      this.complete = false;
      this.controller.abort();
    }
  }

  /** Ends the request. What it told us stays. */
  close(): void {
    this.complete = false;
    this.controller.abort();
  }

  private async readBody(body: ReadableStream<Uint8Array>): Promise<void> {
    const reader = body.getReader();
    for (let { value, done } = await reader.read(); !done; { value, done } = await reader.read()) {
      for (const event of this.parser.push(value!)) this.take(event);
    }
  }

  private take(event: StreamEvent): void {
    const { knowledge, clocks, onEvent, onKeys } = this.options;
    const message = readMessage(event);
    if (message === undefined) return;
    if (this.greeted === (message.kind === 'hello'))
      throw new StreamError('the stream does not begin with one hello');
    if (event.id !== undefined) this.checkId(event.id);
    if (message.kind === 'hello') {
      this.greeted = true;
      this.lease.begin(message.now);
    } else if (message.kind === 'revoked') knowledge.revoke(message.revocations);
    else if (message.kind === 'keys') {
      if (knowledge.trust(message.version, message.keys)) onKeys?.(message.keys);
    } else {
      if (!this.lease.renew(message.asOf)) throw new StreamError('as_of of the stream cannot be true');
      knowledge.complete(event.id, message.dbTime, clocks.monotonic());
      this.complete = true;
    }
    // Before the first snapshot is complete every event counts, after it only what renews the lease.
    if (message.kind === 'fresh' || !this.complete) this.expectNews(SILENCE_MS);
    onEvent(this);
  }

  private checkId(id: string): void {
    if (!this.options.knowledge.isOf(id))
      throw new OtherIncarnation('the stream is that of another database');
    const position = readPosition(id)?.position ?? this.position;
    if (position < this.position) throw new StreamError('the position of the stream went back');
    this.position = position;
  }

  private expectNews(ms: number): void {
    clearTimeout(this.silence);
    this.silence = unref(setTimeout(() => this.close(), ms));
  }
}

function requireStream(response: Response, url: string): ReadableStream<Uint8Array> {
  const type = response.headers.get('content-type') ?? '';
  const { status, body } = response;
  if (status === 200 && /^text\/event-stream\b/i.test(type) && body !== null) return body;
  void body?.cancel().catch(() => undefined);
  if (status !== 200) throw new StatusError(url, response);
  throw new StreamError('the answer is no stream of events');
}
