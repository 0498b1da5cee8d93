import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium, withoutChromium } from '../helpers/chromium.js';
import { ROOT, login } from '../helpers/client.js';
import type { Tokens } from '../helpers/client.js';
import { exchange } from '../helpers/http.js';
import { PREFIXED_ISSUER, PrefixedSite, RUNNING_WITH_PREFIX } from '../helpers/proxies/prefixed-site.js';
import { valuesOf } from '../helpers/proxies/product-echo.js';
import { SwaggerPage } from '../helpers/swagger-page.js';

const { username, password } = ROOT;

/** In a page of the product: logs in, and refreshes with the cookie, which the script cannot read. */
const LOG_IN_AND_REFRESH = `(async () => {
  const post = (path, body) => fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const login = await post('/sso/auth/login', ${JSON.stringify({ username, password, token_delivery: 'cookie' })});
  const refresh = await post('/sso/auth/refresh', {});
  return [login.status, refresh.status, document.cookie.includes('refresh_token')];
})()`;

/** Other spellings of the pages for operators, and paths that lead to them on a careless server. */
const TO_OPERATORS = [
  'metrics',
  'admin',
  'admin/users',
  'docs',
  'docs/openapi.json',
  'console',
  'console/',
  'ADMIN/users',
  '%61dmin/users',
  '/admin/users',
  './admin/users',
  'x/../admin/users',
  'admin%2fusers',
  '%2561dmin/users',
  '..;/sso/admin/users',
  'auth/..%2fadmin/users',
  '\\admin/users',
];

if (withoutChromium !== undefined) console.warn(`The prefix is not tested in a browser: ${withoutChromium}`);

describe('the examples for proxies, with Tandem below a path', () => {
  const site = new PrefixedSite();
  let browser: Browser | undefined;
  beforeAll(async () => {
    if (withoutChromium === undefined) browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  describe.each(RUNNING_WITH_PREFIX)('%s', (name) => {
    it('sets one refresh cookie below the prefix, and refreshes with it', async () => {
      const { url } = site.proxy(name);
      const send = (path: string, body: object, headers: Record<string, string> = {}) =>
        fetch(`${url}/sso/auth/${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: JSON.stringify(body),
        });
      const first = await send('login', { username, password });
      expect(first.status).toBe(200);
      const [cookie, ...others] = first.headers.getSetCookie();
      expect(others).toEqual([]);
      expect(cookie).toContain('; Path=/sso/auth; HttpOnly; Secure; SameSite=Strict');
      const next = await send('refresh', {}, { cookie: cookie!.split(';')[0]! });
      expect(next.status).toBe(200);
      const { access_token } = (await next.json()) as Tokens;
      const headers = { authorization: `Bearer ${access_token}` };
      expect((await fetch(`${url}/sso/api/users/me`, { headers })).status).toBe(200);
    });

    it('serves the metadata at both places, and everything that it names', async () => {
      const { url } = site.proxy(name);
      const places = [
        '/.well-known/oauth-authorization-server/sso',
        '/sso/.well-known/oauth-authorization-server',
      ];
      for (const place of places) {
        const metadata = (await (await fetch(url + place)).json()) as Record<string, unknown>;
        expect(metadata['issuer']).toBe(PREFIXED_ISSUER);
        const endpoints = Object.entries(metadata).filter(([key]) => /_(?:uri|endpoint)$/.test(key));
        expect(endpoints.length).toBeGreaterThan(2);
        for (const [key, endpoint] of endpoints) {
          const { pathname } = new URL(endpoint as string);
          expect(pathname).toMatch(/^\/sso\//);
          const { status, headers } = await fetch(url + pathname);
          // 405 and 401 come from Tandem's own routes too.
          expect([key, headers.has('x-product'), [200, 401, 405].includes(status)]).toEqual([
            key,
            false,
            true,
          ]);
        }
      }
    });

    it('leaves all other paths to the product, without an identity that the client claims', async () => {
      site.product.take();
      const headers = { 'X-Auth-Role': 'admin', 'X-Auth-User-Id': '1', X_Auth_Role: 'admin' };
      for (const path of ['/', '/docs', '/auth/verify', '/ssox']) {
        const response = await fetch(site.proxy(name).url + path, { headers });
        expect([path, response.headers.get('x-product')]).toEqual([path, 'yes']);
      }
      for (const reached of site.product.take())
        for (const header of ['x-auth-role', 'x-auth-user-id']) expect(valuesOf(reached, header)).toEqual([]);
    });

    it('hides the pages for operators on the public listener, however the path is written', async () => {
      const { access_token } = await login(site.node);
      const ask = async (port: number, path: string) => {
        const head = [`GET ${path} HTTP/1.1`, 'Host: example.com', `Authorization: Bearer ${access_token}`];
        const [answer] = await exchange(port, [...head, '', ''].join('\r\n'));
        return answer!;
      };
      for (const path of TO_OPERATORS) {
        const { status, headers } = await ask(site.proxy(name).port, `/sso/${path}`);
        expect([path, headers['x-product'] !== undefined || [400, 404].includes(status)]).toEqual([
          path,
          true,
        ]);
        expect([path, status === 200 && headers['x-request-id'] !== undefined]).toEqual([path, false]);
      }
      for (const path of ['metrics', 'admin/users', 'docs', 'docs/openapi.json']) {
        const { status } = await ask(site.proxy(name).privatePort, `/sso/${path}`);
        expect([path, status]).toEqual([path, 200]);
      }
    });

    it.skipIf(withoutChromium !== undefined)(
      'serves Swagger UI below the prefix, and its calls work',
      async () => {
        const swagger = new SwaggerPage(await browser!.newPage());
        await swagger.page.goto(`${site.proxy(name).privateUrl}/sso/docs`);
        const answer = await swagger.run('Auth_login', { username, password });
        expect(answer.status).toContain('200');
        expect(swagger.problems).toEqual([]);
        await swagger.page.close();
      },
    );

    it.skipIf(withoutChromium !== undefined)(
      'lets a page of the product refresh by cookie in a browser',
      async () => {
        const page = await browser!.newPage();
        await page.goto(`${site.proxy(name).url}/`);
        expect(await page.evaluate(LOG_IN_AND_REFRESH)).toEqual([200, 200, false]);
        await page.close();
      },
    );
  });
});
