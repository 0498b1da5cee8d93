import { ROOT_CONTEXT, SpanKind, SpanStatusCode, context, propagation, trace } from '@opentelemetry/api';
import type { Context, Tracer } from '@opentelemetry/api';
import type { FastifyInstance, FastifyRequest } from 'fastify';

const METHODS = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/;

/**
 * Makes a span of each request, with the route pattern and the status. The usual instrumentation of HTTP would record URLs, which may
 * contain secrets. What the request does in the meantime becomes children of its span.
 */
export function observeRequests(fastify: FastifyInstance, tracer: Tracer): void {
  const contexts = new WeakMap<FastifyRequest, Context>();
  fastify.addHook('onRequest', (request, _reply, done) => {
    const method = METHODS.test(request.method) ? request.method : '_OTHER';
    const route = request.routeOptions.url;
    const attributes = {
      'http.request.method': method,
      'tandem.request_id': request.id,
      ...(route === undefined ? {} : { 'http.route': route }),
    };
    const name = route === undefined ? method : `${method} ${route}`;
    const parent = parentOf(request);
    const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
    const traced = trace.setSpan(parent, span);
    contexts.set(request, traced);
    context.with(traced, done);
  });
  // The body arrives in events of the connection, which know nothing of the request.
  fastify.addHook('preValidation', (request, _reply, done) =>
    context.with(contexts.get(request) ?? context.active(), done),
  );
  fastify.addHook('onResponse', (request, reply, done) => {
    // A URL that the router refuses has no span.
    const span = trace.getSpan(contexts.get(request) ?? ROOT_CONTEXT);
    span?.setAttribute('http.response.status_code', reply.statusCode);
    if (reply.statusCode >= 500) span?.setStatus({ code: SpanStatusCode.ERROR });
    span?.end();
    done();
  });
}

/** The span of the caller (W3C Trace Context), without its `tracestate`: a client may write anything into it. */
function parentOf({ headers }: FastifyRequest): Context {
  const { traceparent } = headers;
  const sent = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, { traceparent }));
  return sent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, sent);
}
