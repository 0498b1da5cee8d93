import cookie from '@fastify/cookie';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DOCS_PATH, serveOpenApi } from './app.openapi.js';
import { allowAllMethods, withoutForwardedPath } from './auth/http/forward-auth.js';
import { AllowedMethods } from './common/http/allowed-methods.js';
import { answerClientError, refuseExpectation, refuseWithoutHost } from './common/http/client-error.js';
import { takeJsonOnly } from './common/http/json-body.js';
import { ProblemFilter, problemOf, sendProblem } from './common/http/problem.filter.js';
import { requestIdOf } from './common/http/http.js';
import { addSecurityHeaders } from './common/http/security-headers.js';
import { validationPipe } from './common/http/validation.js';
import type { Config } from './config/config.js';
import { fastifyTrustProxy } from './limits/client-address.js';
import { Drain } from './operations/drain.js';
import type { DrainTimes } from './operations/drain.js';
import { RequestObserver } from './operations/request-observer.js';
import { traceRequests } from './operations/tracing/tracing.js';

/** Bytes of a request body. No call needs as many. */
const BODY_LIMIT = 64 * 1024;

/** Bytes of the request headers: enough for a token and the cookies of other applications. */
const HEAD_LIMIT = 16 * 1024;

/** Response headers that scripts of other origins may read (CORS). */
const EXPOSED_HEADERS = [
  'X-Request-Id',
  'X-Auth-Error',
  'Retry-After',
  'RateLimit',
  'RateLimit-Policy',
  'WWW-Authenticate',
];

/** The timeouts of a client, in ms. */
export interface TimeOuts extends DrainTimes {
  /** The time to send the headers of a request. */
  readonly head: number;
  /** The time to send the whole request. */
  readonly request: number;
  /** The time in which the client must read or send something during a request. */
  readonly silence: number;
  /** The time between two requests. It is longer than load balancers keep connections, so that the load balancer closes them first. */
  readonly idle: number;
  /** Interval of the check for slow clients. */
  readonly check: number;
}

const TIME_OUTS: TimeOuts = {
  head: 10_000,
  request: 15_000,
  silence: 30_000,
  idle: 65_000,
  check: 1_000,
  readinessDelay: 1_000,
  idleGrace: 1_000,
  drain: 10_000,
};

/** Fastify with limits on everything that a client may send or delay. */
export function fastifyAdapter(config: Config, timeOuts: TimeOuts = TIME_OUTS): FastifyAdapter {
  const adapter = new JsonFastifyAdapter({
    trustProxy: fastifyTrustProxy(config.trustProxy),
    bodyLimit: BODY_LIMIT,
    genReqId: requestIdOf,
    requestIdHeader: false,
    logger: false,
    // There is no middleware, so no request needs to pass it.
    skipMiddie: true,
    rewriteUrl: withoutForwardedPath,
    connectionTimeout: timeOuts.silence,
    requestTimeout: timeOuts.request,
    keepAliveTimeout: timeOuts.idle,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    http: {
      maxHeaderSize: HEAD_LIMIT,
      headersTimeout: timeOuts.head,
      connectionsCheckingInterval: timeOuts.check,
      // Node's own refusal has no body. See refuseWithoutHost.
      requireHostHeader: false,
    },
    // A longer parameter would get 414 from the router. The handler refuses it with 400.
    routerOptions: { maxParamLength: HEAD_LIMIT },
    clientErrorHandler: answerClientError,
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
      reply.header('X-Request-Id', request.id).header('X-Content-Type-Options', 'nosniff');
      sendProblem(request, reply, problemOf(error));
    },
  });
  const fastify = fastifyOf(adapter);
  takeJsonOnly(fastify);
  allowAllMethods(fastify);
  fastify.server.on('checkExpectation', refuseExpectation);
  return adapter;
}

/** Sets up everything between the socket and the guards, for main and the tests. */
export async function setUpApp(
  app: NestFastifyApplication,
  config: Config,
  timeOuts: TimeOuts = TIME_OUTS,
): Promise<void> {
  const fastify = fastifyOf(app.getHttpAdapter());
  traceRequests(fastify);
  const allowed = new AllowedMethods();
  allowed.follow(fastify);
  await app.register(cookie);
  addSecurityHeaders(fastify, { hsts: config.production, uiPath: DOCS_PATH, consolePath: '/console' });
  refuseWithoutHost(fastify);
  app.get(RequestObserver).observe(fastify);
  app.get(Drain).follow(fastify, timeOuts);
  if (config.corsOrigins.length > 0) {
    app.enableCors({
      origin: [...config.corsOrigins],
      credentials: true,
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      exposedHeaders: EXPOSED_HEADERS,
      maxAge: 600,
      // The plugin's own refusal is not a problem document.
      strictPreflight: false,
    });
  }
  app.useGlobalPipes(validationPipe);
  app.useGlobalFilters(new ProblemFilter(allowed));
  serveOpenApi(app, config.pathPrefix);
  await app.init();
  await fastify.ready();
}

/** Leaves the parsing of bodies to {@link takeJsonOnly}. */
class JsonFastifyAdapter extends FastifyAdapter {
  override registerParserMiddleware(): void {}
}

/** The adapter declares another version of the same interface. */
function fastifyOf(adapter: { getInstance(): unknown }): FastifyInstance {
  return adapter.getInstance() as FastifyInstance;
}
