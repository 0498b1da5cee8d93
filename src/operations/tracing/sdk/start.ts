import { Logger } from '@nestjs/common';
import { globalErrorHandler, setGlobalErrorHandler } from '@opentelemetry/core';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg';
import { detectResources, envDetector, hostDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, ConsoleSpanExporter, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import type { SpanExporter } from '@opentelemetry/sdk-trace-node';
import { within } from '../../../common/within.js';
import type { Tracing, TracingSettings } from '../tracing.js';
import { observeRequests } from './request-spans.js';
import { SafeSpans } from './safe-spans.js';

/** How long a shutdown waits for the collector. */
const FLUSH_TIMEOUT_MS = 2_000;

/** Milliseconds between two log lines about a collector that does not answer. */
const LOG_INTERVAL_MS = 60_000;

/**
 * Starts the SDK of OpenTelemetry. It reads its standard variables itself: sampler, limits, batches, resource attributes, headers of the
 * exporter. Spans of the database exist only within a request: the polls of a node would outnumber everything else.
 */
export function start({ exporters, protocol }: TracingSettings): Tracing {
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'tandem' }).merge(
      detectResources({ detectors: [hostDetector, envDetector] }),
    ),
    spanProcessors: exporters.map(
      (name) =>
        new SafeSpans(
          new BatchSpanProcessor(name === 'console' ? new ConsoleSpanExporter() : otlp(protocol)),
        ),
    ),
  });
  logExportErrors();
  provider.register();
  registerInstrumentations({
    tracerProvider: provider,
    instrumentations: [new PgInstrumentation({ requireParentSpan: true })],
  });
  return {
    observe: (fastify) => observeRequests(fastify, provider.getTracer('tandem')),
    shutdown: () =>
      // A collector that refuses the last spans is no failure of the shutdown.
      within(FLUSH_TIMEOUT_MS, provider.shutdown().catch(globalErrorHandler), () => undefined),
  };
}

/** Reads `OTEL_EXPORTER_OTLP_*`. */
function otlp(protocol: TracingSettings['protocol']): SpanExporter {
  return protocol === 'http/json' ? new JsonExporter() : new ProtobufExporter();
}

/** A collector that is down costs spans, never a request. */
function logExportErrors(): void {
  const logger = new Logger('Tracing');
  let loggedAt = -Infinity;
  setGlobalErrorHandler((error) => {
    if (performance.now() - loggedAt < LOG_INTERVAL_MS) return;
    loggedAt = performance.now();
    logger.warn({ err: error }, 'traces could not be exported');
  });
}
