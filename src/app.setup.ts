import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import cookie from '@fastify/cookie';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { serveOpenApi } from './app.openapi.js';
import { refuse } from './common/common.errors.js';
import { ProblemFilter, problemBody, problemOf, sendProblem } from './common/problem.filter.js';
import { requestIdOf } from './common/request-id.js';
import { validationPipe } from './common/validation.js';
import type { Config } from './config/config.js';
import { fastifyTrustProxy } from './limits/client-address.js';
import { RequestObserver } from './operations/request-observer.js';

/** Bytes of a request body: the largest that any call needs, with room. */
const BODY_LIMIT = 64 * 1024;

/** How long requests in flight may take to finish when the node stops, in milliseconds. */
const DRAIN = 10_000;

/** Fastify with bounds on everything that a client may send or wait with. Time-outs in milliseconds. */
export function fastifyAdapter(config: Config): FastifyAdapter {
  return new FastifyAdapter({
    trustProxy: fastifyTrustProxy(config.trustProxy),
    bodyLimit: BODY_LIMIT,
    genReqId: requestIdOf,
    requestIdHeader: false,
    logger: false,
    connectionTimeout: 30_000,
    requestTimeout: 15_000,
    keepAliveTimeout: 65_000,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    http: { maxHeaderSize: 16 * 1024, headersTimeout: 10_000 },
    routerOptions: { maxParamLength: 256 },
    clientErrorHandler: onClientError,
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
      reply.header('X-Request-Id', request.id);
      sendProblem(request, reply, problemOf(error));
    },
  });
}

/** What main and the tests share: everything between the socket and the guards. */
export async function setUpApp(app: NestFastifyApplication, config: Config): Promise<void> {
  const fastify = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  await app.register(cookie);
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('X-Request-Id', request.id);
    done();
  });
  const hsts = config.production;
  fastify.addHook('onSend', (request, reply, _payload, done) => {
    reply.header('X-Content-Type-Options', 'nosniff');
    reply.header('Referrer-Policy', 'no-referrer');
    if (hsts) reply.header('Strict-Transport-Security', 'max-age=31536000');
    if (request.url.startsWith('/docs')) {
      // Swagger UI is styled inline and shows images from data: URLs.
      reply.header(
        'Content-Security-Policy',
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
      );
    } else {
      reply.header('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'");
    }
    done();
  });
  app.get(RequestObserver).observe(fastify);
  if (config.corsOrigins.length > 0) {
    app.enableCors({
      origin: [...config.corsOrigins],
      credentials: true,
      exposedHeaders: ['X-Request-Id', 'Retry-After', 'RateLimit', 'RateLimit-Policy', 'WWW-Authenticate'],
      maxAge: 600,
    });
  }
  app.useGlobalPipes(validationPipe);
  app.useGlobalFilters(new ProblemFilter());
  serveOpenApi(app);
  drainOnClose(app, fastify);
  await app.init();
  await fastify.ready();
}

/** Requests in flight are answered before the server closes, connections that stay idle are not waited for. */
function drainOnClose(app: NestFastifyApplication, fastify: FastifyInstance): void {
  fastify.addHook('preClose', (done) => {
    setTimeout(() => app.getHttpServer().closeAllConnections?.(), DRAIN).unref();
    done();
  });
}

/** Errors of the HTTP parser, where there is no request yet: a flood of headers, a broken request line, a slow client. */
function onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const id = randomUUID();
  const problem =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? refuse('headers_too_large')
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? refuse('request_timeout')
        : refuse('malformed_request');
  const body = JSON.stringify(problemBody(problem, id));
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n` +
      'Content-Type: application/problem+json; charset=utf-8\r\n' +
      `Content-Length: ${Buffer.byteLength(body)}\r\nX-Request-Id: ${id}\r\nCache-Control: no-store\r\n` +
      `Connection: close\r\n\r\n${body}`,
    () => socket.destroySoon(),
  );
}
