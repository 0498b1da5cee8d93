import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { checkedLookup } from '../../../config/checked-lookup.js';
import type { Resolver } from '../../../config/checked-lookup.js';
import { isForbiddenAddress } from '../../../config/forbidden-address.js';
import { isLoopback } from '../../../config/value-checks.js';

/** Everything together: resolving the name, connecting, sending, and the whole answer. */
const TIMEOUT_MS = 2_000;

/** The head and the body of an answer together. */
const MAX_BYTES = 8_192;

/** Calls of one node at the same time. More calls wait for their turn, within the same two seconds. */
const MAX_SOCKETS = 32;

/** The product did not answer as it has to. `code` says why, and never contains text of the product. */
export class CallbackFailure extends Error {
  override readonly name = 'CallbackFailure';

  constructor(readonly code: string) {
    super(`the session callback failed: ${code}`);
  }
}

/** An answer of the product, with any status. */
export interface CallbackAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** One call. */
export interface CallbackCall {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** The Cookie header. */
  readonly cookie?: string;
  readonly body?: object;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Calls the product at SESSION_CALLBACK_URL. A call takes two seconds and its answer 8 KiB at most. Follows no redirect, uses no proxy (its
 * own agents ignore the proxy variables), and connects to the address that was resolved and checked: never to a link-local address or a
 * metadata service, and without TLS only to this machine.
 */
export class CallbackClient {
  private readonly url: URL;
  private readonly agent: HttpAgent | HttpsAgent;
  /** POST creates a session: it never goes over a connection that the product may just be closing, because it cannot be repeated. */
  private readonly onceAgent: HttpAgent | HttpsAgent;
  /** Calls without an answer, or with a 5xx, since this process started. */
  failures = 0;

  constructor(
    url: string,
    private readonly secret: string,
    private readonly timeoutMs = TIMEOUT_MS,
    resolver?: Resolver,
  ) {
    this.url = new URL(url);
    const options = {
      maxSockets: MAX_SOCKETS,
      lookup: checkedLookup(resolver, (address) => this.forbids(address)),
    };
    const Agent = this.url.protocol === 'https:' ? HttpsAgent : HttpAgent;
    this.agent = new Agent({ ...options, keepAlive: true });
    this.onceAgent = new Agent(options);
  }

  /** Throws {@link CallbackFailure}. */
  async call(call: CallbackCall): Promise<CallbackAnswer> {
    try {
      const answer = await this.attempt(call);
      if (answer.status >= 500) this.failures += 1;
      return answer;
    } catch (error) {
      if (call.signal?.aborted !== true) this.failures += 1;
      throw error;
    }
  }

  private async attempt(call: CallbackCall): Promise<CallbackAnswer> {
    const host = this.url.hostname.replace(/^\[(.*)\]$/, '$1');
    // The socket looks up names only.
    if (isIP(host) !== 0 && this.forbids(host)) throw new CallbackFailure('FORBIDDEN_ADDRESS');
    const signal = AbortSignal.any([
      AbortSignal.timeout(this.timeoutMs),
      ...(call.signal ? [call.signal] : []),
    ]);
    const first = await this.send(call, signal);
    // The product may have closed an idle connection just when it was used again.
    const answer = first === 'stale' ? await this.send(call, signal) : first;
    if (answer === 'stale') throw new CallbackFailure('ECONNRESET');
    return answer;
  }

  close(): void {
    this.agent.destroy();
    this.onceAgent.destroy();
  }

  private forbids(address: string): boolean {
    if (isForbiddenAddress(address)) return true;
    return this.url.protocol === 'http:' && !isLoopback(address);
  }

  /** `stale`: an idle connection was closed by the product before it answered. */
  private send(call: CallbackCall, signal: AbortSignal): Promise<CallbackAnswer | 'stale'> {
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const options: RequestOptions = {
      method: call.method,
      agent: call.method === 'POST' ? this.onceAgent : this.agent,
      signal,
      maxHeaderSize: MAX_BYTES,
      headers: {
        authorization: `Bearer ${this.secret}`,
        accept: 'application/json',
        'cache-control': 'no-store',
        ...(call.cookie === undefined ? {} : { cookie: call.cookie }),
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
      },
    };
    return new Promise((settle, fail) => {
      const send = this.url.protocol === 'https:' ? httpsRequest : httpRequest;
      const request = send(this.url, options);
      let answered = false;
      const failed = (error: NodeJS.ErrnoException) => {
        if (!answered && request.reusedSocket && error.code === 'ECONNRESET') return settle('stale');
        fail(new CallbackFailure(signal.aborted ? 'TIMEOUT' : codeOf(error)));
      };
      request.on('error', failed);
      request.once('response', (response) => {
        answered = true;
        read(response).then(settle, (error: NodeJS.ErrnoException) => {
          request.destroy();
          failed(error);
        });
      });
      request.end(body);
    });
  }
}

/** The whole answer. Throws if it is too long or incomplete. */
async function read(response: IncomingMessage): Promise<CallbackAnswer> {
  let left = MAX_BYTES - response.rawHeaders.reduce((sum, text) => sum + text.length + 2, 0);
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) {
    left -= chunk.length;
    if (left < 0) throw new CallbackFailure('TOO_LONG');
    chunks.push(chunk);
  }
  if (left < 0) throw new CallbackFailure('TOO_LONG');
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: Buffer.concat(chunks).toString('utf8'),
  };
}

function codeOf(error: NodeJS.ErrnoException): string {
  return (error.code ?? error.name).slice(0, 64);
}
