import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { refuse } from '../common.errors.js';
import { problemBody } from './problem.filter.js';
import type { Problem } from './problem.js';
import { requestIdOf } from './http.js';

/** Milliseconds that a client has to read the refusal before the connection closes. */
const CLOSE_DELAY_MS = 1_000;

function problemFor(code: string | undefined): Problem {
  if (code === 'HPE_HEADER_OVERFLOW') return refuse('headers_too_large');
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return refuse('payload_too_large');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return refuse('request_timeout');
  return refuse('malformed_request');
}

/**
 * Answers what the HTTP parser cannot parse: too many headers, a broken request line, a client that is too slow. Then closes the
 * connection. Sends nothing while an earlier request on the connection is being answered, because the client would take the second
 * response for a part of the first one.
 */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  const { _httpMessage: answering } = socket as { _httpMessage?: { headersSent: boolean } | null };
  if (error.code === 'ECONNRESET' || !socket.writable || answering?.headersSent === true) {
    socket.destroy();
    return;
  }
  const problem = problemFor(error.code);
  const status = problem.getStatus();
  const id = randomUUID();
  const body = JSON.stringify(problemBody(problem, id));
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${id}`,
    'X-Content-Type-Options: nosniff',
    'Cache-Control: no-store',
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  setTimeout(() => socket.destroy(), CLOSE_DELAY_MS).unref();
}

/** RFC 9112, section 3.2: a request of HTTP/1.1 without `Host`. Node's own refusal has no body. */
export function refuseWithoutHost(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, _reply, done) => {
    const { headers, httpVersion } = request.raw;
    done(headers.host === undefined && httpVersion === '1.1' ? refuse('malformed_request') : undefined);
  });
}

/** `Expect` with anything but `100-continue` (RFC 9110, section 10.1.1). Node's own refusal has no body. */
export function refuseExpectation(request: IncomingMessage, response: ServerResponse): void {
  const id = requestIdOf(request);
  const problem = refuse('expectation_failed');
  response.writeHead(problem.getStatus(), {
    'Content-Type': 'application/problem+json; charset=utf-8',
    'X-Request-Id': id,
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
    Connection: 'close',
  });
  response.end(JSON.stringify(problemBody(problem, id)));
}
