import type { OpenAPIObject } from '@nestjs/swagger';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { login } from '../helpers/client.js';

/** What may be called without logging in, the transition's own calls aside. Whoever adds a line has a reason for it. */
const OPEN = [
  'GET /.well-known/jwks.json',
  'GET /.well-known/oauth-authorization-server',
  'GET /health/live',
  'GET /health/ready',
  'GET /metrics',
  'POST /auth/login',
  'POST /auth/refresh',
  'POST /oauth/token',
];

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

describe('a listening node', () => {
  let node: TestApp;
  beforeAll(async () => {
    node = await createTestApp({ listen: true });
  });
  afterAll(() => node.close());

  async function operations() {
    const document = (await (await fetch(`${node.url}/docs/openapi.json`)).json()) as OpenAPIObject;
    return Object.entries(document.paths).flatMap(([path, item]) =>
      METHODS.flatMap((method) => {
        const operation = item[method];
        return operation === undefined
          ? []
          : [{ name: `${method.toUpperCase()} ${path}`, path, method, operation }];
      }),
    );
  }

  it('is alive and ready', async () => {
    for (const part of ['live', 'ready']) {
      const reply = await fetch(`${node.url}/health/${part}`);
      expect([reply.status, await reply.json()]).toEqual([200, { status: 'ok' }]);
      expect(reply.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it('exposes Prometheus metrics without tokens, names or addresses', async () => {
    const { refresh_token } = await login(node);
    const reply = await fetch(`${node.url}/metrics`);
    expect(reply.status).toBe(200);
    expect(reply.headers.get('content-type')).toMatch(/^text\/plain/);
    const text = await reply.text();
    expect(text).toMatch(/^# TYPE http_request_duration_seconds histogram$/m);
    expect(text).toMatch(/^process_cpu_/m);
    expect(text).not.toContain(refresh_token);
    expect(text).not.toContain('127.0.0.1');
  });

  it('serves Swagger UI', async () => {
    const reply = await fetch(`${node.url}/docs`);
    expect(reply.status).toBe(200);
    expect(await reply.text()).toContain('swagger-ui');
  });

  it('has exactly these public operations', async () => {
    const open = (await operations()).filter(
      // Those of the transition have such a list in test/e2e/transition, and go with it.
      ({ operation }) => operation.security === undefined && operation.tags?.includes('Transition') !== true,
    );
    expect(open.map(({ name }) => name).sort()).toEqual(OPEN);
  });

  it('answers 401 to an unauthenticated caller on every other operation', async () => {
    const closed = (await operations()).filter(({ operation }) => operation.security !== undefined);
    expect(closed.length).toBeGreaterThan(7);
    for (const { name, path, method, operation } of closed) {
      const url = node.url + path.replace(/\{\w+\}/g, '00000000-0000-4000-8000-000000000000');
      const reply = await fetch(url, { method: method.toUpperCase() });
      const { code } = (await reply.json()) as { code: string };
      const service = operation.security?.every((scheme) => 'client' in scheme);
      expect([name, reply.status, code]).toEqual([name, 401, service ? 'invalid_client' : 'token_missing']);
      expect(reply.headers.get('www-authenticate')).toBe(
        `Bearer realm="tandem"${service ? ', Basic realm="tandem"' : ''}`,
      );
    }
  });
});
