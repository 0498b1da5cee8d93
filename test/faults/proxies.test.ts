import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../helpers/client.js';
import { createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { exchange } from '../helpers/http.js';
import { envoyQuestion, expectedAnswer, traefikQuestion } from '../helpers/proxies/described-proxies.js';
import { HOSTILE_REQUESTS, ODD_NAMES, bytesOf, expectedOf } from '../helpers/proxies/hostile-requests.js';
import { RUNNING, ProtectedProduct } from '../helpers/proxies/protected-product.js';
import type { Identity } from '../helpers/proxies/protected-product.js';
import { valuesOf } from '../helpers/proxies/product-echo.js';
import { NodeProcess } from '../helpers/node-process.js';
import { call, login, tokensIn, tryLogin, verify } from '../helpers/remote-client.js';
import { TcpProxy } from '../helpers/tcp-proxy.js';

/** What the product calls one of its users. */
const CUSTOMER = { external_id: ODD_NAMES.externalId, role: ODD_NAMES.role };
const ACCOUNT = { username: 'customer', password: 'a long enough pass phrase too' };

const IDENTITY = ['X-Auth-User-Id', 'X-Auth-External-Id', 'X-Auth-Role', 'X-Auth-Scheme'];

const OPERATORS_PAGES = [
  '/metrics',
  '/docs',
  '/docs/openapi.json',
  '/admin/users',
  '/admin',
  '/console',
  '/console/',
];

const example = (file: string) => readFileSync(`examples/proxies/${file}`, 'utf8');

describe('the examples for proxies, with tokens', () => {
  let db: TestDatabase;
  let link: TcpProxy;
  let node: NodeProcess;
  let shop: ProtectedProduct;
  let identity: Identity;
  let token: string;
  let admin: string;
  /** The credential of a service client, for the scheme Basic. */
  let client: string;
  beforeAll(async () => {
    db = await createTestDatabase();
    link = await TcpProxy.to(db.url);
    node = await NodeProcess.start({ databaseUrl: link.url, env: { TRUST_PROXY: '127.0.0.1' } });
    shop = await ProtectedProduct.start(node.url);
    admin = (await login(node)).access_token;
    const body = { ...ACCOUNT, ...CUSTOMER };
    const created = await call(node, 'POST', '/admin/users', { token: admin, body });
    const { id } = JSON.parse(created.text) as { id: string };
    const service = { name: 'reports', scopes: ['revocations'] };
    const made = await call(node, 'POST', '/admin/clients', { token: admin, body: service });
    const { client_id, client_secret } = JSON.parse(made.text) as Record<string, string>;
    client = Buffer.from(`${client_id}:${client_secret}`).toString('base64');
    token = tokensIn(await tryLogin(node, ACCOUNT)).access_token;
    identity = { id, externalId: CUSTOMER.external_id, role: CUSTOMER.role, scheme: 'bearer' };
  });
  afterAll(async () => {
    await shop?.close();
    await node?.remove();
    await link?.close();
    await db?.drop();
  });

  describe.each(RUNNING)('%s', (name) => {
    it.each(HOSTILE_REQUESTS)('keeps its promises to a request that $name', async (request) => {
      const bytes = bytesOf(request, `Authorization: Bearer ${token}`);
      expect(await shop.outcome(name, bytes, identity)).toBe(expectedOf(request.bearer, name));
    });

    it('passes a body and the answer of the product on, with its cookies', async () => {
      const url = `${shop.proxy(name).url}/orders/1?a=b`;
      shop.product.take();
      const headers = { authorization: `Bearer ${token}` };
      const response = await fetch(url, { method: 'PUT', headers, body: 'x'.repeat(100_000) });
      expect([response.status, await response.text()]).toEqual([200, 'product']);
      expect(response.headers.getSetCookie()).toEqual(['product=1']);
      for (const header of ['deprecation', 'sunset', 'link', 'x-auth-error', 'x-auth-user-id', 'retry-after'])
        expect([header, response.headers.get(header)]).toEqual([header, null]);
      const [reached] = shop.product.take();
      expect([reached!.method, reached!.url, reached!.body.length]).toEqual([
        'PUT',
        '/orders/1?a=b',
        100_000,
      ]);
    });

    it('logs a client in, and refuses one without a token with the code', async () => {
      expect((await login(shop.proxy(name))).token_type).toBe('Bearer');
      const anonymous = await call(shop.proxy(name), 'GET', '/orders/1');
      expect([anonymous.status, anonymous.code]).toEqual([401, 'token_missing']);
      expect(anonymous.headers.get('x-auth-error')).toBe('token_missing');
      expect(anonymous.headers.get('www-authenticate')).toBe('Bearer realm="tandem"');
      expect(anonymous.headers.get('cache-control')).toBe('no-store');
      const wrong = await call(shop.proxy(name), 'POST', '/orders/1', { token: 'no.token', body: {} });
      expect([wrong.status, wrong.code]).toEqual([401, 'token_malformed']);
      expect(wrong.headers.get('www-authenticate')).toContain('error="invalid_token"');
      expect(shop.product.take()).toEqual([]);
    });

    it('asks Tandem itself, once for each request', async () => {
      const before = await questionsTo(node);
      for (const method of ['GET', 'POST', 'DELETE']) {
        const answer = await call(shop.proxy(name), method, '/orders/1', { token });
        expect(answer.status).toBe(200);
      }
      await call(shop.proxy(name), 'GET', '/orders/1');
      const more = async () => (await questionsTo(node)).map((count, index) => count - before[index]!);
      await expect.poll(more, { timeout: 15_000 }).toEqual([3, 1, 0]);
      shop.product.take();
    });

    it('passes the stream of revocations on without holding it back', async () => {
      const response = await fetch(`${shop.proxy(name).url}/oauth/revocations`, {
        headers: { authorization: `Basic ${client}` },
        signal: AbortSignal.timeout(30_000),
      });
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toContain('text/event-stream');
      let text = '';
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        if ((text.match(/^event: fresh$/gm) ?? []).length > 1) break;
      }
      expect(text).toContain('event: hello');
    });

    it('lets the product answer a CORS preflight', async () => {
      const headers = { Origin: 'https://app.example', 'Access-Control-Request-Method': 'PUT' };
      const response = await fetch(`${shop.proxy(name).url}/orders/1`, { method: 'OPTIONS', headers });
      expect([response.status, response.headers.get('x-product')]).toEqual([200, 'yes']);
      const [reached] = shop.product.take();
      expect(IDENTITY.flatMap((header) => valuesOf(reached!, header))).toEqual([]);
    });

    it('serves the pages for operators on the private listener only', async () => {
      const { url, privateUrl } = shop.proxy(name);
      for (const path of OPERATORS_PAGES) {
        const response = await call({ url }, 'GET', path, { token: admin });
        expect([path, response.status, response.text.includes('operationId')]).toEqual([path, 404, false]);
        const atNode = await call(node, 'GET', path, { token: admin });
        const privately = await call({ url: privateUrl }, 'GET', path, { token: admin });
        expect([path, privately.status]).toEqual([path, atNode.status]);
      }
      expect(shop.product.take()).toEqual([]);
    });
  });

  describe('Traefik and Envoy, as their sources describe them', () => {
    // Only these reach Tandem: the proxies answer the others themselves.
    const asked = HOSTILE_REQUESTS.filter(({ bearer, line }) => expectedAnswer(bearer, line) === 'known');
    const told = async (bytes: string) => {
      const [answer] = await exchange(Number(new URL(node.url).port), bytes);
      const { status, headers } = answer!;
      return [status, ...IDENTITY.map((header) => headers[header.toLowerCase()])];
    };

    it.each(asked)('get the identity for a request that $name', async (request) => {
      const credential = `Authorization: Bearer ${token}`;
      const caller = [identity.id, identity.externalId, identity.role, 'bearer'];
      expect(await told(traefikQuestion(request, credential))).toEqual([204, ...caller]);
      expect(await told(envoyQuestion(request, credential))).toEqual([200, ...caller]);
    });

    it('have Tandem refuse a path that servers read differently, if Envoy passes it on', async () => {
      for (const request of HOSTILE_REQUESTS.filter(({ name }) => /public folder|two slashes/.test(name))) {
        const bytes = envoyQuestion(request, `Authorization: Bearer ${token}`);
        expect([request.name, (await told(bytes))[0]]).toEqual([request.name, 403]);
      }
    });

    it('take all four headers from Tandem and delete every spelling that a client can send', () => {
      const [traefik, envoy] = [example('traefik-routes.yaml'), example('envoy.yaml')];
      for (const header of IDENTITY) {
        expect(traefik).toContain(`          - ${header}\n`);
        for (const spelling of spellingsOf(header)) expect(traefik).toContain(`          ${spelling}: ''\n`);
        expect(envoy).toContain(`- remove: ${header.toLowerCase()}\n`);
        const upstream = envoy.slice(envoy.indexOf('allowed_upstream_headers:'));
        expect(upstream).toContain(`- exact: ${header.toLowerCase()}\n`);
      }
      expect(traefik).toContain('trustForwardHeader: false');
      expect(envoy).toContain('headers_with_underscores_action: DROP_HEADER');
      for (const file of ['traefik.yaml', 'traefik-routes.yaml', 'envoy.yaml'])
        expect(example(file)).toContain('Not run here');
    });
  });

  describe.each(RUNNING)('%s, when something is unavailable', (name) => {
    it('passes on the 503 of a node that cannot reach its database', async () => {
      link.cut();
      try {
        await until(async () => (await verify(node, token)).status === 503, 15_000);
        shop.product.take();
        // A health check may have taken the node out by now. The answer is the same.
        const answer = await call(shop.proxy(name), 'POST', '/orders/1', { token, body: {} });
        expect([answer.status, answer.code]).toEqual([503, 'service_unavailable']);
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
        expect(shop.product.take()).toEqual([]);
      } finally {
        link.heal();
      }
      await until(
        async () => (await call(shop.proxy(name), 'GET', '/orders/1', { token })).status === 200,
        15_000,
      );
      shop.product.take();
    });
  });

  it('answer 503 with Retry-After and let nobody through if no node runs', async () => {
    await node.end();
    for (const proxy of shop.proxies) {
      const answer = await call(proxy, 'GET', '/orders/1', { token });
      expect([proxy.name, answer.status, answer.code]).toEqual([proxy.name, 503, 'service_unavailable']);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect(shop.product.take()).toEqual([]);
  });
});

/** How many questions of proxies a node has answered with 2xx, how many with 4xx, and how many other requests it has had. */
async function questionsTo(node: NodeProcess): Promise<number[]> {
  const { text } = await call(node, 'GET', '/metrics');
  const counts = [...text.matchAll(/^http_requests_total\{(.*)\} (\d+)$/gm)].map(
    ([, labels = '', count]) => [labels, Number(count)] as const,
  );
  const sum = (...wanted: RegExp[]) =>
    counts
      .filter(([labels]) => wanted.every((each) => each.test(labels)))
      .reduce((total, [, count]) => total + count, 0);
  const question = /route="\/auth\/verify"/;
  return [
    sum(question, /"2xx"/),
    sum(question, /"4xx"/),
    sum(/route="(?!\/(?:auth\/verify|metrics|health))/),
  ];
}

/** Every way to write "_" for some of the hyphens. */
function spellingsOf(header: string): string[] {
  const [first = '', ...parts] = header.split('-');
  return parts.reduce(
    (heads, part) => heads.flatMap((head) => [`${head}-${part}`, `${head}_${part}`]),
    [first],
  );
}
