import { connect } from 'node:net';
import type { Socket } from 'node:net';

export interface RawResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The values of Set-Cookie. */
  readonly cookies: readonly string[];
  readonly body: string;
}

/** Splits what came over one connection into its responses; takes Content-Length and chunks. */
export function parseResponses(bytes: Buffer): RawResponse[] {
  const responses: RawResponse[] = [];
  let rest = bytes;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end === -1) return responses;
    const [statusLine = '', ...lines] = rest.subarray(0, end).toString('latin1').split('\r\n');
    const headers = Object.fromEntries(
      lines.map((line) => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line.slice(line.indexOf(':') + 1).trim(),
      ]),
    );
    const cookies = lines
      .filter((line) => /^set-cookie:/i.test(line))
      .map((line) => line.slice(line.indexOf(':') + 1).trim());
    rest = rest.subarray(end + 4);
    let body = '';
    if (headers['transfer-encoding'] === 'chunked') {
      for (let size = -1; size !== 0;) {
        const line = rest.indexOf('\r\n');
        size = parseInt(rest.subarray(0, line).toString('latin1'), 16);
        if (!(size >= 0)) break;
        body += rest.subarray(line + 2, line + 2 + size).toString('utf8');
        rest = rest.subarray(line + 4 + size);
      }
    } else {
      const length = Number(headers['content-length'] ?? 0);
      body = rest.subarray(0, length).toString('utf8');
      rest = rest.subarray(length);
    }
    responses.push({ status: Number(statusLine.split(' ')[1]), headers, cookies, body });
  }
}

/**
 * Sends bytes as they are over one connection and collects what comes back until the server closes it, or until `enough`
 * responses are there. Rejects after `patience` milliseconds: a hang is a failure.
 */
export function exchange(
  port: number,
  bytes: string | Buffer | readonly (string | Buffer)[],
  { enough = 1, patience = 8_000 }: { readonly enough?: number; readonly patience?: number } = {},
): Promise<RawResponse[]> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    const received: Buffer[] = [];
    const give = () => resolve(parseResponses(Buffer.concat(received)));
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no answer within ${patience} ms`));
    }, patience);
    socket.on('data', (chunk) => {
      received.push(chunk);
      if (parseResponses(Buffer.concat(received)).length >= enough) socket.destroy();
    });
    // A server that refuses early may reset the connection while the rest is being sent.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      give();
    });
    send(socket, typeof bytes === 'string' || Buffer.isBuffer(bytes) ? [bytes] : bytes);
  });
}

function send(socket: Socket, parts: readonly (string | Buffer)[]): void {
  for (const part of parts) socket.write(part);
}

/** One request of HTTP/1.1. A body gets its Content-Length, and JSON as its type unless the headers name another. */
export function request(
  method: string,
  target: string,
  { headers = {}, body }: { readonly headers?: Record<string, string>; readonly body?: string | Buffer } = {},
): Buffer {
  const given = body === undefined ? undefined : Buffer.from(body as string);
  const all: Record<string, string> = {
    Host: 'localhost',
    ...(given === undefined
      ? {}
      : { 'Content-Type': 'application/json', 'Content-Length': String(given.length) }),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([
    Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1'),
    given ?? Buffer.alloc(0),
  ]);
}
