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
  return read(env).settings;
}

/** One line for each standard value that is not supported. Other software on the machine may need it, so it does not stop the start. */
export function tracingWarnings(env: NodeJS.ProcessEnv): string[] {
  return read(env).warnings;
}

const EXPORTERS = ['otlp', 'console'] as const;
const OTHER_EXPORTERS = ['zipkin', 'jaeger', 'logging'];
const PROTOCOLS = ['http/protobuf', 'http/json'] as const;
const OTHER_PROTOCOL = 'grpc';

const ENDPOINTS = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'];

/** The standard variables. Throws {@link ConfigurationError} for a value that the standard does not have. */
function read(env: NodeJS.ProcessEnv): {
  readonly settings: TracingSettings | undefined;
  readonly warnings: string[];
} {
  const value = (name: string) => env[name]?.trim() ?? '';
  const isOn = [...ENDPOINTS, 'OTEL_TRACES_EXPORTER'].some((name) => value(name) !== '');
  if (!isOn || value('OTEL_SDK_DISABLED').toLowerCase() === 'true')
    return { settings: undefined, warnings: [] };
  const faults: string[] = [];
  const warnings: string[] = [];

  const names = (value('OTEL_TRACES_EXPORTER') || 'otlp').split(',').map((name) => name.trim());
  if (names.some((name) => ![...EXPORTERS, ...OTHER_EXPORTERS, 'none'].includes(name)))
    faults.push('OTEL_TRACES_EXPORTER must be otlp, console, none or a list of these');
  const others = names.filter((name) => OTHER_EXPORTERS.includes(name));
  if (others.length > 0)
    warnings.push(`OTEL_TRACES_EXPORTER: ${others.join(', ')} is not supported, so no spans are sent there`);
  let exporters = EXPORTERS.filter((name) => names.includes(name));

  const [protocolName, given] = ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL']
    .map((name) => [name, value(name)] as const)
    .find(([, text]) => text !== '') ?? ['', PROTOCOLS[0]];
  const protocol = PROTOCOLS.find((name) => name === given);
  if (given === OTHER_PROTOCOL && exporters.includes('otlp')) {
    warnings.push(`${protocolName}: grpc is not supported, so no spans are sent over OTLP`);
    exporters = exporters.filter((name) => name !== 'otlp');
  } else if (protocol === undefined && given !== OTHER_PROTOCOL) {
    faults.push(`${protocolName} must be http/protobuf or http/json`);
  }
  // With gRPC, an endpoint needs no scheme.
  for (const name of given === OTHER_PROTOCOL ? [] : ENDPOINTS) {
    if (value(name) !== '' && !isHttpUrl(value(name))) faults.push(`${name} must be an http or https URL`);
  }
  if (faults.length > 0) throw new ConfigurationError(faults);
  const settings = exporters.length === 0 ? undefined : { exporters, protocol: protocol ?? PROTOCOLS[0] };
  return { settings, warnings };
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
