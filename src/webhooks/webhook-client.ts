import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { checkedLookup } from '../config/checked-lookup.js';
import type { Resolver } from '../config/checked-lookup.js';
import { isForbiddenAddress } from '../config/forbidden-address.js';

/** The timeout of an attempt: resolving the name, connecting, sending, and the head of the answer. */
const TIMEOUT_MS = 10_000;

/** How much of an answer's body is read, so that the connection can be used again. The body itself is ignored. */
const MAX_ANSWER_BYTES = 16_384;

/** The result of one attempt. */
export interface Attempt {
  readonly delivered: boolean;
  /** Whether the receiver is up: it understood the request and answered. */
  readonly alive: boolean;
  /** A status or an error code. It is never a text of the receiver. */
  readonly error: string;
  /** The value of `Retry-After`, in seconds. */
  readonly retryAfter?: number | undefined;
  readonly status?: number | undefined;
}

/**
 * Sends webhooks to one URL. Follows no redirect, uses no proxy (its own agent ignores the proxy variables), and never connects to a
 * link-local address or to a metadata service: the address that was checked is the one that the socket connects to, so a name that resolves
 * to another address a moment later changes nothing.
 */
export class WebhookClient {
  private readonly url: URL;
  private readonly agent: HttpAgent | HttpsAgent;

  constructor(
    url: string,
    private readonly timeoutMs = TIMEOUT_MS,
    resolver?: Resolver,
  ) {
    this.url = new URL(url);
    const options = { keepAlive: true, maxSockets: 8, lookup: checkedLookup(resolver) };
    this.agent = this.url.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options);
  }

  /** Sends one webhook. Never rejects. An abort counts as a failed attempt. */
  async post(
    body: string,
    headers: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<Attempt> {
    const host = this.url.hostname.replace(/^\[(.*)\]$/, '$1');
    // The socket looks up names only.
    if (isIP(host) !== 0 && isForbiddenAddress(host)) return failed('FORBIDDEN_ADDRESS');
    const first = await this.send(body, headers, signal);
    // The receiver may have closed an idle connection just when it was used again.
    return first === 'stale' ? this.lastAttempt(body, headers, signal) : first;
  }

  close(): void {
    this.agent.destroy();
  }

  private async lastAttempt(...call: Parameters<WebhookClient['send']>): Promise<Attempt> {
    const attempt = await this.send(...call);
    return attempt === 'stale' ? failed('ECONNRESET') : attempt;
  }

  /** `stale`: an idle connection was closed by the receiver. */
  private send(
    body: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<Attempt | 'stale'> {
    return new Promise((settle) => {
      const send = this.url.protocol === 'https:' ? httpsRequest : httpRequest;
      const call = send(this.url, { method: 'POST', headers, agent: this.agent, ...(signal && { signal }) });
      const timer = setTimeout(
        () => call.destroy(Object.assign(new Error(), { code: 'TIMEOUT' })),
        this.timeoutMs,
      );
      call.once('response', (answer) => {
        settle(attemptOf(answer));
        drain(call, answer);
      });
      call.on('error', (error: NodeJS.ErrnoException) =>
        settle(call.reusedSocket && error.code === 'ECONNRESET' ? 'stale' : failed(error.code ?? error.name)),
      );
      call.once('close', () => {
        clearTimeout(timer);
        settle(failed('CLOSED'));
      });
      call.end(body);
    });
  }
}

function attemptOf({ statusCode: status = 0, headers }: IncomingMessage): Attempt {
  const delivered = status >= 200 && status < 300;
  // 408, 429 and 5xx: another request would get the same answer now.
  const alive = status < 500 && status !== 408 && status !== 429;
  const seconds = /^\d{1,5}$/.exec(headers['retry-after'] ?? '')?.[0];
  const retryAfter = seconds === undefined ? undefined : Number(seconds);
  return { delivered, alive, error: `HTTP ${status}`, status, retryAfter };
}

function failed(error: string): Attempt {
  return { delivered: false, alive: false, error: error.slice(0, 64) };
}

/** Reads a short body to its end, and closes the connection of a long or slow one. */
function drain(call: ClientRequest, answer: IncomingMessage): void {
  let received = 0;
  answer.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (received > MAX_ANSWER_BYTES) call.destroy();
  });
  answer.on('error', () => undefined);
}
