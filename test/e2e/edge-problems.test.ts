import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { edgeConfig, startEdge } from '../helpers/edge-app.js';
import type { EdgeApp } from '../helpers/edge-app.js';

const ORIGIN = 'https://app.example.com';

let edge: EdgeApp;

beforeAll(async () => {
  edge = await startEdge(edgeConfig({ production: true, corsOrigins: [ORIGIN] }));
});

afterAll(() => edge.app.close());

function call(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${edge.port}${path}`, init);
}

describe('an error', () => {
  it.each([
    ['bug', 500, 'internal_error'],
    ['nothing', 500, 'internal_error'],
    ['text', 500, 'internal_error'],
    ['database', 503, 'service_unavailable'],
    ['network', 503, 'service_unavailable'],
    ['nul', 400, 'validation_failed'],
    ['unauthorized', 401, 'unauthorized'],
    ['limited', 429, 'rate_limited'],
  ])(
    'of the kind "%s" leaves as a problem with status %i and nothing of its inside',
    async (name, status, code) => {
      const response = await call(`/faults/${name}`);
      expect(response.status).toBe(status);
      expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
      const text = await response.text();
      expect(text).not.toMatch(/inside|10\.0\.0\.1|byte sequence/);
      expect(JSON.parse(text)).toEqual({
        type: `urn:tandem:error:${code}`,
        title: expect.any(String) as string,
        status,
        detail: expect.any(String) as string,
        code,
        request_id: response.headers.get('x-request-id'),
      });
    },
  );

  it('says when to retry', async () => {
    expect((await call('/faults/database')).headers.get('retry-after')).toBe('1');
    expect((await call('/faults/limited')).headers.get('retry-after')).toBe('7');
  });

  it('carries a challenge if it is a 401', async () => {
    expect((await call('/faults/unauthorized')).headers.get('www-authenticate')).toBe(
      'Bearer realm="tandem"',
    );
  });

  it('is not stored by any cache, for any spelling of the path', async () => {
    for (const path of ['/auth/nowhere', '/%61uth/login', '/nowhere']) {
      const response = await call(path, { method: 'POST', body: '{' });
      expect(response.status).toBeGreaterThanOrEqual(400);
      expect(response.headers.get('cache-control')).toBe('no-store');
    }
  });

  it('is a 405 with the methods of a path that exists', async () => {
    const login = await call('/auth/login?a=1');
    expect(login.status).toBe(405);
    expect(login.headers.get('allow')).toBe('POST');
    expect(await login.json()).toMatchObject({ code: 'method_not_allowed' });
    const item = await call('/items/7', { method: 'PUT' });
    expect(item.status).toBe(405);
    expect(item.headers.get('allow')?.split(', ').toSorted()).toEqual(['DELETE', 'GET', 'HEAD']);
    expect((await call('/items/7/8', { method: 'PUT' })).status).toBe(404);
    expect((await call('/health/live', { method: 'PROPFIND' })).status).toBe(405);
  });
});

describe('every response', () => {
  it('keeps a valid request id and replaces any other', async () => {
    const kept = await call('/health/live', { headers: { 'X-Request-Id': 'abc-1.2_3' } });
    expect(kept.headers.get('x-request-id')).toBe('abc-1.2_3');
    for (const id of ['a b', 'x'.repeat(65), '"><script>']) {
      const replaced = await call('/nowhere', { headers: { 'X-Request-Id': id } });
      expect(replaced.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it('has the headers that protect browsers', async () => {
    for (const path of ['/health/live', '/nowhere', '/faults/bug']) {
      const { headers } = await call(path);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('strict-transport-security')).toContain('max-age=');
      expect(headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'");
    }
  });

  it('to HEAD equals the response to GET without its body', async () => {
    const response = await call('/health/live', { method: 'HEAD' });
    expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([
      200,
      '15',
      '',
    ]);
    const missing = await call('/nowhere', { method: 'HEAD' });
    expect([missing.status, await missing.text()]).toEqual([404, '']);
  });
});

describe('a page of another origin', () => {
  const preflight = (origin: string) =>
    call('/auth/login', {
      method: 'OPTIONS',
      headers: { Origin: origin, 'Access-Control-Request-Method': 'PATCH' },
    });

  it('may call if it is listed', async () => {
    const { headers, status } = await preflight(ORIGIN);
    expect(status).toBe(204);
    expect(headers.get('access-control-allow-origin')).toBe(ORIGIN);
    expect(headers.get('access-control-allow-credentials')).toBe('true');
    expect(headers.get('access-control-allow-methods')).toContain('PATCH');
    expect(headers.get('x-request-id')).not.toBeNull();
    const error = await call('/faults/limited', { headers: { Origin: ORIGIN } });
    expect(error.headers.get('access-control-allow-origin')).toBe(ORIGIN);
  });

  it('gets no permission otherwise', async () => {
    const { headers } = await preflight('https://evil.example');
    expect(headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('Swagger UI', () => {
  it('loads everything from this service, under a policy that forbids inline scripts', async () => {
    const page = await call('/docs');
    expect(page.status).toBe(200);
    const html = await page.text();
    expect(html).not.toMatch(/https?:\/\/(?!localhost)[^"]*\.(?:js|css)/);
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)[^>]*>/);
    const sources = [...html.matchAll(/(?:src|href)="([^"]+\.(?:js|css))"/g)].map(([, source]) => source!);
    expect(sources.length).toBeGreaterThanOrEqual(3);
    for (const source of sources) {
      const file = await call(new URL(source, 'http://x/docs').pathname);
      expect([source, file.status, (await file.text()).length > 0]).toEqual([source, 200, true]);
      expect(file.headers.get('content-security-policy')).toContain("default-src 'self'");
    }
  });

  it('serves the OpenAPI document', async () => {
    const document = (await (await call('/docs/openapi.json')).json()) as Record<string, object>;
    expect(document).toMatchObject({
      info: { title: 'Tandem' },
      components: {
        securitySchemes: { bearer: { scheme: 'bearer', bearerFormat: 'JWT' } },
        schemas: { Problem: {} },
      },
    });
  });
});

describe('metrics', () => {
  it('name routes by their pattern and never by the requested path', async () => {
    await call('/items/a-secret-id?token=a-secret-token');
    await call('/nowhere/a-secret-path');
    const text = await (await call('/metrics')).text();
    expect(text).toContain(
      'http_request_duration_seconds_count{method="GET",route="/items/:id",status="2xx"}',
    );
    expect(text).toContain('http_requests_total{method="GET",route="/items/:id",status="2xx"}');
    expect(text).not.toContain('a-secret');
  });

  it('do not grow with unknown methods', async () => {
    await call('/nowhere', { method: 'PROPFIND' });
    const text = await (await call('/metrics')).text();
    expect(text).not.toContain('PROPFIND');
  });
});
