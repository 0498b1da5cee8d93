import type { FastifyInstance } from 'fastify';
import { ConfigurationError } from '../../config/config.js';

/** Traces of this process. */
export interface Tracing {
  /** Makes a span of each request. Call it before any hook and route is added. */
  observe(fastify: FastifyInstance): void;

  /** Sends what has been recorded. Resolves after two seconds at the latest. */
  shutdown(): Promise<void>;
}

/** What to do with the spans, from the standard variables that this module checks. The SDK reads the others. */
export interface TracingSettings {
  readonly exporters: readonly ('otlp' | 'console')[];
  readonly protocol: 'http/protobuf' | 'http/json';
}

interface TracingSdk {
  start(settings: TracingSettings): Tracing;
}

/**
 * Not a literal in the import: the packages of OpenTelemetry are optional, and the compiler must not need them. `npm run types` checks
 * that folder by itself.
 */
const SDK: string = './sdk/start.js';

let running: Tracing | undefined;

/**
 * Starts traces if the standard variables of OpenTelemetry ask for them. Otherwise loads nothing. Must be called before the modules that
 * open connections are loaded, because the SDK replaces their functions. Throws {@link ConfigurationError} for a wrong value.
 */
export async function startTracing(env: NodeJS.ProcessEnv): Promise<Tracing | undefined> {
  const settings = tracingSettings(env);
  if (settings === undefined) return undefined;
  running = (await loadSdk()).start(settings);
  return running;
}

/** Makes a span of each request if traces are on. */
export function traceRequests(fastify: FastifyInstance): void {
  running?.observe(fastify);
}

async function loadSdk(): Promise<TracingSdk> {
  try {
    return (await import(SDK)) as TracingSdk;
  } catch (error) {
    const fault =
      'OTEL_*: the packages of OpenTelemetry are not installed; install Tandem with its optional dependencies';
    throw new ConfigurationError([fault], { cause: error });
  }
}

/** Undefined: no traces. */
export function tracingSettings(env: NodeJS.ProcessEnv): TracingSettings | undefined {
  const value = (name: string) => env[name]?.trim() ?? '';
  const endpoints = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'];
  const isOn = [...endpoints, 'OTEL_TRACES_EXPORTER'].some((name) => value(name) !== '');
  if (!isOn || value('OTEL_SDK_DISABLED').toLowerCase() === 'true') return undefined;
  const faults: string[] = [];
  const names = (value('OTEL_TRACES_EXPORTER') || 'otlp').split(',').map((name) => name.trim());
  const exporters = names.filter((name) => name === 'otlp' || name === 'console');
  if (names.some((name) => !/^(?:otlp|console|none)$/.test(name)))
    faults.push('OTEL_TRACES_EXPORTER must be otlp, console, none or a list of these');
  const [protocolName, protocol] = ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL']
    .map((name) => [name, value(name)] as const)
    .find(([, text]) => text !== '') ?? ['', 'http/protobuf'];
  if (protocol !== 'http/protobuf' && protocol !== 'http/json')
    faults.push(`${protocolName} must be http/protobuf or http/json`);
  for (const name of endpoints) {
    if (value(name) !== '' && !isHttpUrl(value(name))) faults.push(`${name} must be an http or https URL`);
  }
  if (faults.length > 0) throw new ConfigurationError(faults);
  if (exporters.length === 0) return undefined;
  return { exporters, protocol: protocol as TracingSettings['protocol'] };
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
