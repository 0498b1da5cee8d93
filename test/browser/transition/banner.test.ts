import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { launchChromium, withoutChromium } from '../../helpers/chromium.js';
import { aUser, bearer, login } from '../../helpers/client.js';
import { NAME, sessionLogin } from '../../e2e/transition/session-client.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** In the page: what was put on show has been shown. */
const TWO_FRAMES = 'new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))';

interface Audit {
  readonly violations: readonly { readonly id: string }[];
  readonly passes: readonly { readonly id: string }[];
}

describe('the script of the banner', () => {
  let node: TestApp;
  beforeAll(async () => {
    node = await createTestApp();
  });
  afterAll(() => node.close());

  it.each([
    ['/transition/banner.js', 'text/javascript; charset=utf-8'],
    ['/transition/guide', 'text/html; charset=utf-8'],
    ['/transition/developers', 'text/html; charset=utf-8'],
  ])('lets caches store %s, and any origin load it', async (url, type) => {
    const reply = await node.app.inject({ url });
    expect(reply.statusCode).toBe(200);
    expect(reply.headers).toMatchObject({
      'content-type': type,
      'cache-control': 'public, max-age=3600',
      'cross-origin-resource-policy': 'cross-origin',
      'x-content-type-options': 'nosniff',
    });
    const etag = String(reply.headers['etag']);
    const again = await node.app.inject({ url, headers: { 'if-none-match': `"x", W/${etag}` } });
    expect([again.statusCode, again.body]).toEqual([304, '']);
    expect((await node.app.inject({ url, headers: { 'if-none-match': '"x"' } })).statusCode).toBe(200);
    expect(reply.body).not.toContain('sourceMappingURL');
  });
});

if (withoutChromium !== undefined) console.warn(`The banner is not tested: ${withoutChromium}`);

describe.skipIf(withoutChromium !== undefined)('the banner in a browser', () => {
  let site: Server;
  let siteUrl: string;
  let node: TestApp;
  let token: string;
  let cookie: string;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let attributes = '';
  const faults: string[] = [];

  beforeAll(async () => {
    // Another origin than the API, with a policy as strict as there is.
    site = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html; charset=utf-8');
      const policy = `default-src 'none'; script-src ${node.url}; connect-src ${node.url}; require-trusted-types-for 'script'`;
      response.setHeader('content-security-policy', policy);
      response.end(`<!doctype html><html lang="en"><head><title>Product</title>
        <script src="${node.url}/transition/banner.js" ${attributes}></script></head>
        <body><main><h1>Product</h1><button>First</button></main></body></html>`);
    });
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
    siteUrl = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
    node = await createTestApp({ listen: true, env: { CORS_ORIGINS: siteUrl, SESSION_SECRET: 'of a test' } });
    token = (await login(node)).access_token;
    cookie = await sessionLogin(node, await aUser(node));
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await node?.close();
    await new Promise((resolve) => site.close(resolve));
  });
  beforeEach(async () => {
    attributes = '';
    faults.length = 0;
    context = await browser.newContext();
    page = await context.newPage();
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().includes('favicon')) faults.push(message.text());
    });
    await rollout({ phase: 'deprecation_notice', sunset_at: '2031-02-03T12:00:00Z' });
  });
  afterEach(async () => {
    await context.close();
  });

  async function rollout(payload: object): Promise<void> {
    const reply = await node.app.inject({
      method: 'PATCH',
      url: '/admin/rollout',
      payload,
      ...bearer(token),
    });
    if (reply.statusCode !== 200) throw new Error(reply.body);
  }

  async function signIn(): Promise<void> {
    const value = cookie.slice(NAME.length + 1);
    await context.addCookies([{ name: NAME, value, url: node.url, httpOnly: true, sameSite: 'Lax' }]);
  }

  /** Opens the page and waits until the script has its answer. */
  async function open(): Promise<void> {
    const answered = page.waitForResponse((response) => response.url().endsWith('/auth/migration'));
    await page.goto(siteUrl);
    await (await answered).finished();
    await page.evaluate(TWO_FRAMES);
  }

  const region = () => page.getByRole('region', { name: 'Notice about signing in' });

  it('is accessible to session users under a strict policy', async () => {
    await signIn();
    await open();
    await region().waitFor();
    expect(await region().getByRole('status').innerText()).toBe(
      'The way you sign in will change on 3 February 2031. Please sign out and sign in again before then, or you will be signed out.',
    );
    expect(await region().getByRole('link').getAttribute('href')).toBe('http://tandem.test/transition/guide');
    // Styled: the policy forbids inline styles, not this.
    expect(
      await page.evaluate('getComputedStyle(document.body.firstChild.shadowRoot.firstChild).display'),
    ).toBe('flex');
    const { violations, passes } = await page.evaluate<Audit>(`${AXE}; axe.run()`);
    expect(violations.map(({ id }) => id)).toEqual([]);
    expect(passes.map(({ id }) => id)).toContain('color-contrast');
    expect(faults).toEqual([]);
  });

  it('can be dismissed by keyboard until the date changes', async () => {
    await signIn();
    await open();
    await region().waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.shadowRoot.activeElement.textContent')).toBe(
      'Dismiss',
    );
    await page.keyboard.press('Enter');
    expect(await region().count()).toBe(0);
    await open();
    expect(await region().count()).toBe(0);
    await rollout({ sunset_at: '2031-03-04T12:00:00Z' });
    await open();
    await region().waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Escape');
    expect(await region().count()).toBe(0);
  });

  it('does not appear for other users or before the notice', async () => {
    await open();
    expect(await region().count()).toBe(0);
    await signIn();
    await rollout({ phase: 'gradual_rollout', sunset_at: null });
    await open();
    expect(await region().count()).toBe(0);
    expect(faults).toEqual([]);
  });

  it('shows the page’s own words as text', async () => {
    attributes =
      'defer data-message="Bis {date}: &lt;b&gt;neu&lt;/b&gt;" data-link="Mehr" data-dismiss="Weg" data-label="Hinweis"';
    await signIn();
    await open();
    const hint = page.getByRole('region', { name: 'Hinweis' });
    expect(await hint.getByRole('status').innerText()).toContain('<b>neu</b>');
    await hint.getByRole('button', { name: 'Weg' }).waitFor();
    await hint.getByRole('link', { name: 'Mehr' }).waitFor();
  });
});
