import type { Context } from '@opentelemetry/api';
import type { ReadableSpan, Span, SpanProcessor } from '@opentelemetry/sdk-trace-node';

/** The attributes that leave the process. Statements have placeholders, never values. */
const ALLOWED =
  /^(?:http\.(?:request\.method|route|response\.status_code)|tandem\.request_id|db\.(?:system|name|statement|operation|namespace)|db\.(?:system\.name|query\.text|operation\.name)|db\.response\.status_code|error\.type|(?:net\.peer|server)\.(?:name|address|port))$/;

/**
 * Passes spans on without anything that may hold a secret: other attributes, and the messages of errors, because PostgreSQL quotes input
 * in them. Instrumentations add attributes from one release to the next, so this is a list of what may pass.
 */
export class SafeSpans implements SpanProcessor {
  constructor(private readonly next: SpanProcessor) {}

  onStart(span: Span, parent: Context): void {
    this.next.onStart(span, parent);
  }

  onEnd(span: ReadableSpan): void {
    this.next.onEnd(safe(span));
  }

  forceFlush(): Promise<void> {
    return this.next.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.next.shutdown();
  }
}

function safe(span: ReadableSpan): ReadableSpan {
  const attributes = Object.entries(span.attributes).filter(([name]) => ALLOWED.test(name));
  return Object.create(span, {
    attributes: { value: Object.fromEntries(attributes) },
    events: { value: [] },
    links: { value: [] },
    status: { value: { code: span.status.code } },
  }) as ReadableSpan;
}
