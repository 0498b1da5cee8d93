import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { ADMIN, TestNodes, productionFaults } from '../helpers/node-process.js';
import type { NodeProcess } from '../helpers/node-process.js';
import { login, refresh } from '../helpers/remote-client.js';
import { TraceReceiver } from '../helpers/trace-receiver.js';
import type { ReceivedSpan } from '../helpers/trace-receiver.js';

const PATIENCE = 60_000;

/** Writes the URL of each module of OpenTelemetry that the process loads into a file, except for the API, which prom-client loads. */
const MODULE_SPY = `
  import { appendFileSync } from 'node:fs';
  import { registerHooks } from 'node:module';
  registerHooks({
    load(url, context, next) {
      if (/opentelemetry\\/(?!api\\/)|in-the-middle/.test(url)) appendFileSync(process.env.LOADED_MODULES, url + '\\n');
      return next(url, context);
    },
  });`;

/** The kinds of spans in OTLP. */
const SERVER = 2;
const CLIENT = 3;

interface Started {
  readonly node: NodeProcess;
  /** The modules that {@link MODULE_SPY} has seen. */
  readonly loaded: () => Promise<string>;
}

describe('traces', () => {
  const nodes = new TestNodes();
  let folder: string;
  let db: TestDatabase;
  let receiver: TraceReceiver;
  let traced: Started;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tandem-traces-'));
    await writeFile(join(folder, 'spy.mjs'), MODULE_SPY);
    db = await createTestDatabase();
    receiver = await TraceReceiver.start();
    const env = { ...receiver.env, OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test' };
    traced = await start('on', env);
  });
  afterAll(async () => {
    await nodes.remove();
    await receiver.close();
    await db.drop();
    await rm(folder, { recursive: true });
  });

  /** A node, and what it has loaded of OpenTelemetry. */
  async function start(name: string, env: Record<string, string>): Promise<Started> {
    const log = join(folder, `${name}.log`);
    await writeFile(log, '');
    const NODE_OPTIONS = `--import=${pathToFileURL(join(folder, 'spy.mjs')).href}`;
    const node = await nodes.start({
      databaseUrl: db.url,
      env: { NODE_OPTIONS, LOADED_MODULES: log, ...env },
    });
    return { node, loaded: () => readFile(log, 'utf8') };
  }

  async function find(name: string, status?: number): Promise<ReceivedSpan> {
    const named = (span: ReceivedSpan) =>
      span.name === name && (status === undefined || span.attributes['http.response.status_code'] === status);
    await expect.poll(() => receiver.spans.some(named), { timeout: PATIENCE }).toBe(true);
    return receiver.spans.find(named)!;
  }

  const childrenOf = ({ spanId }: ReceivedSpan) =>
    receiver.spans.filter(({ parentSpanId }) => parentSpanId === spanId);

  it('are off if only settings for other software ask for them: the SDK of OpenTelemetry is not loaded', async () => {
    const { node, loaded } = await start('off', {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    });
    await refresh(node, (await login(node)).refresh_token);
    expect(await loaded()).toBe('');
    expect(node.output).toContain('OTEL_EXPORTER_OTLP_PROTOCOL: grpc is not supported');
  });

  it('have a span of each request with its route, and the queries of the request as its children', async () => {
    const { node, loaded } = traced;
    const { refresh_token } = await login(node);
    await refresh(node, refresh_token);
    for (const route of ['/auth/login', '/auth/refresh']) {
      const span = await find(`POST ${route}`);
      expect(span.kind).toBe(SERVER);
      expect(span.attributes).toMatchObject({
        'http.request.method': 'POST',
        'http.route': route,
        'http.response.status_code': 200,
        'tandem.request_id': expect.stringMatching(/^[0-9a-f-]{36}$/),
      });
      const queries = childrenOf(span).filter(({ kind }) => kind === CLIENT);
      const statements = queries.map(({ attributes }) => String(attributes['db.query.text']));
      expect(statements.some((statement) => statement.includes('refresh_tokens'))).toBe(true);
      expect(queries.every(({ traceId }) => traceId === span.traceId)).toBe(true);
    }
    // The polls of the change feed belong to no request.
    expect(
      receiver.spans.filter(({ parentSpanId = '', kind }) => kind !== SERVER && parentSpanId === ''),
    ).toEqual([]);
    expect(receiver.resource).toMatchObject({ 'service.name': 'tandem', 'deployment.environment': 'test' });
    // This also shows that the test above would notice them.
    expect(await loaded()).toContain('@opentelemetry/instrumentation-pg');
  });

  it('continue the trace of the caller', async () => {
    const { node } = traced;
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    await fetch(`${node.url}/auth/verify`, { headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` } });
    const span = await find('GET /auth/verify');
    expect([span.traceId, span.parentSpanId]).toEqual([traceId, '00f067aa0ba902b7']);
  });

  it('contain no password, name, token, cookie, query or unknown path', async () => {
    const { node } = traced;
    const { access_token, refresh_token } = await login(node);
    const next = await refresh(node, refresh_token);
    const secrets = [
      'query-of-a-client',
      'path-of-a-client',
      'cookie-of-a-client',
      'state-of-a-client',
      'agent-of-a-client',
    ];
    const [query, path, cookie, state, agent] = secrets as [string, string, string, string, string];
    await fetch(`${node.url}/auth/${path}?token=${query}`, {
      headers: {
        cookie: `refresh_token=${cookie}`,
        'user-agent': agent,
        traceparent: '00-00000000000000000000000000000abc-0000000000000abc-01',
        tracestate: `vendor=${state}`,
        authorization: `Bearer ${next.access_token}`,
      },
    });
    await fetch(`${node.url}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: 'name-of-a-client', password: 'password-of-a-client' }),
    });
    const span = await find('GET');
    expect(span.attributes['http.response.status_code']).toBe(404);
    await find('POST /auth/login', 401);
    const sent = [access_token, refresh_token, next.access_token, next.refresh_token, ADMIN.password];
    for (const secret of [
      ...secrets,
      ...sent,
      'name-of-a-client',
      'password-of-a-client',
      new URL(db.url).password,
    ])
      expect([secret, receiver.raw.includes(secret)]).toEqual([secret, false]);
  });

  it('never fail a request: a collector that is down costs spans and a warning', async () => {
    const { node } = await start('down', {
      ...receiver.env,
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
      OTEL_EXPORTER_OTLP_TIMEOUT: '500',
    });
    await refresh(node, (await login(node)).refresh_token);
    await expect.poll(() => node.output, { timeout: PATIENCE }).toContain('traces could not be exported');
    expect(await node.end()).toBe(0);
  });

  it('never fail a shutdown: a collector that refuses the last spans costs these spans', async () => {
    const refusing = createServer((_request, response) => void response.writeHead(400).end());
    await once(refusing.listen(0, '127.0.0.1'), 'listening');
    const { node } = await start('refused', {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(refusing.address() as AddressInfo).port}`,
      // Everything is sent at the end.
      OTEL_BSP_SCHEDULE_DELAY: '3600000',
    });
    await login(node);
    expect(await node.end()).toBe(0);
    expect(node.output).toContain('traces could not be exported');
    refusing.closeAllConnections();
    refusing.close();
  });

  it('stop the start with one line for a wrong setting', async () => {
    const node = await nodes.spawn({
      databaseUrl: db.url,
      env: {
        NODE_ENV: 'production',
        OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317',
        OTEL_EXPORTER_OTLP_PROTOCOL: 'udp',
      },
    });
    expect(await node.exited).toBe(78);
    expect(productionFaults(node)).toContain(
      'OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf or http/json',
    );
    expect(productionFaults(node)).toContain('OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https URL');
  });
});
