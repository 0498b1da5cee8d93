import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium, withoutChromium } from '../../helpers/chromium.js';
import { aUser } from '../../helpers/client.js';
import { PREFIXED_ISSUER, PrefixedSite, RUNNING_WITH_PREFIX } from '../../helpers/proxies/prefixed-site.js';
import { valuesOf } from '../../helpers/proxies/product-echo.js';
import { SECRET } from '../../e2e/transition/session-client.js';
import { withRollout } from '../../e2e/transition/session-nodes.js';

/** In a page of the product: logs in by session. The browser keeps the cookie. */
const logIn = (account: object) => `fetch('/sso/api/login', {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: ${JSON.stringify(JSON.stringify(account))},
}).then(({ status }) => status)`;

if (withoutChromium !== undefined)
  console.warn(`The banner is not tested behind proxies: ${withoutChromium}`);

/** The product at the root shares the session cookie, so the cookie has the path of the site. */
describe('the examples for proxies, with Tandem below a path and sessions', () => {
  const site = new PrefixedSite({ SESSION_SECRET: SECRET, SESSION_COOKIE_PATH: '/' });
  let browser: Browser | undefined;
  beforeAll(async () => {
    if (withoutChromium === undefined) browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  describe.each(RUNNING_WITH_PREFIX)('%s', (name) => {
    it.skipIf(withoutChromium !== undefined)(
      'shows the banner in a page of the product, with a link to the guide below the prefix',
      async () => {
        const user = await aUser(site.node);
        const context = await browser!.newContext();
        const page = await context.newPage();
        page.setDefaultTimeout(60_000);
        const problems: string[] = [];
        page.on('pageerror', (error) => problems.push(error.message));
        await withRollout(site.node, { phase: 'deprecation_notice' }, async () => {
          await page.goto(site.proxy(name).url);
          const { username, password } = user;
          expect(await page.evaluate(logIn({ username, password }))).toBe(200);
          await page.addScriptTag({ url: '/sso/transition/banner.js' });
          const region = page.getByRole('region', { name: 'Notice about signing in' });
          await region.waitFor();
          const link = await region.getByRole('link').getAttribute('href');
          expect(link).toBe(`${PREFIXED_ISSUER}/transition/guide`);
          const guide = await fetch(site.proxy(name).url + new URL(link!).pathname);
          expect([guide.status, guide.headers.get('content-type')]).toEqual([
            200,
            'text/html; charset=utf-8',
          ]);
        });
        site.product.take();
        await page.goto(site.proxy(name).url);
        expect(valuesOf(site.product.take()[0]!, 'cookie').join()).toContain('session_id=');
        expect(problems).toEqual([]);
        await context.close();
      },
    );
  });
});
