import { describe, expect, it } from 'vitest';
import { tracingSettings, tracingWarnings } from '../../../src/operations/tracing/tracing.js';

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

describe('the variables of OpenTelemetry', () => {
  it.each([
    [{}, undefined],
    [{ ...ENDPOINT, OTEL_SDK_DISABLED: 'TRUE' }, undefined],
    [{ OTEL_TRACES_EXPORTER: 'none' }, undefined],
    [ENDPOINT, { exporters: ['otlp'], protocol: 'http/protobuf' }],
    [
      { ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' },
      { exporters: ['otlp'], protocol: 'http/json' },
    ],
    [
      { OTEL_TRACES_EXPORTER: 'otlp, console' },
      { exporters: ['otlp', 'console'], protocol: 'http/protobuf' },
    ],
  ])('%j ask for %j, without a warning', (env, expected) => {
    expect(tracingSettings(env)).toEqual(expected);
    expect(tracingWarnings(env)).toEqual([]);
  });

  it.each([
    [{ OTEL_TRACES_EXPORTER: 'jaeger' }, undefined, 'OTEL_TRACES_EXPORTER: jaeger'],
    [{ OTEL_TRACES_EXPORTER: 'zipkin,console' }, ['console'], 'OTEL_TRACES_EXPORTER: zipkin'],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
      undefined,
      'OTEL_EXPORTER_OTLP_PROTOCOL: grpc',
    ],
    [
      { ...ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'grpc', OTEL_TRACES_EXPORTER: 'console,otlp' },
      ['console'],
      'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: grpc',
    ],
  ])('%j, which other software may need, leave %j and cause one warning', (env, exporters, warning) => {
    expect(tracingSettings(env)?.exporters).toEqual(exporters);
    expect(tracingWarnings(env)).toEqual([expect.stringContaining(`${warning} is not supported`)]);
  });

  it.each([
    [{ OTEL_TRACES_EXPORTER: 'otlp,kafka' }, 'OTEL_TRACES_EXPORTER must be'],
    [{ ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'udp' }, 'OTEL_EXPORTER_OTLP_PROTOCOL must be'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317' }, 'OTEL_EXPORTER_OTLP_ENDPOINT must be'],
  ])('stop the start if they are %j', (env, fault) => {
    expect(() => tracingSettings(env)).toThrow(fault);
  });
});
