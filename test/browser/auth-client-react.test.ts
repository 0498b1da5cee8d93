import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { launchChromium, withoutChromium } from '../helpers/chromium.js';
import { ROOT } from '../helpers/client.js';
import { bundled } from '../helpers/client-bundle.js';
import { ClientSite } from '../helpers/client-site.js';
import { blocksOf, read } from '../helpers/doc-blocks.js';
import { temporaryFolder } from '../helpers/temporary-folder.js';

const run = promisify(execFile);

/** The component of the documentation. */
const ACCOUNT = blocksOf(read('docs/adopt/clients.md')).find(({ text }) =>
  text.includes('useAuthState'),
)!.text;

const SERVER = `
  import { createElement } from 'react';
  import { renderToString } from 'react-dom/server';
  import { Account } from 'account.tsx';
  process.stdout.write(renderToString(createElement(Account)));`;

/** Continues what the server has rendered. The second client is another part of the page. */
const PAGE = `
  import { StrictMode, createElement } from 'react';
  import { createRoot, hydrateRoot } from 'react-dom/client';
  import { createAuthClient } from '@tandem-auth/client';
  import { Account } from 'account.tsx';
  export const client = createAuthClient({ baseUrl: '/' });
  export const problems = [];
  const place = document.createElement('div');
  const tree = createElement(StrictMode, null, createElement(Account));
  const onRecoverableError = (error) => problems.push(String(error));
  export const html = () => place.innerHTML;
  export const click = () => place.querySelector('button').click();
  document.body.append(place);
  let root;
  export function hydrate(rendered) {
    place.innerHTML = rendered;
    root = hydrateRoot(place, tree, { onRecoverableError });
  }
  export function unmount() {
    root.unmount();
  }
  export function mount() {
    root = createRoot(place);
    root.render(tree);
  }`;

const BUTTON = '<button>Log out</button>';
const LINK = '<a href="/login">Log in</a>';

describe('the component of the documentation for React', () => {
  let folder: string;
  let rendered: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(temporaryFolder(), 'tandem-react-'));
    const script = join(folder, 'server.mjs');
    const modules = { 'server.mjs': SERVER, 'account.tsx': ACCOUNT };
    await writeFile(script, await bundled('server.mjs', { platform: 'node', modules }));
    rendered = (await run(process.execPath, [script])).stdout;
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('renders on a server as if the state were unverified', () => {
    expect(rendered).toBe(BUTTON);
  });

  if (withoutChromium !== undefined) console.warn(`React is not tested in a browser: ${withoutChromium}`);

  describe.skipIf(withoutChromium !== undefined)('in a browser', () => {
    let node: TestApp;
    let site: ClientSite;
    let browser: Browser;
    let page: Page;
    beforeAll(async () => {
      [node, browser] = await Promise.all([createTestApp({ listen: true }), launchChromium()]);
      site = await ClientSite.start(node.url);
      const modules = { 'page.mjs': PAGE, 'account.tsx': ACCOUNT };
      site.scripts.set('/page.js', await bundled('page.mjs', { modules }));
      page = await browser.newPage();
      page.setDefaultTimeout(60_000);
    });
    afterAll(async () => {
      await browser?.close();
      await site?.stop();
      await node?.close();
    });

    it('continues the rendering of the server, and follows the state until it is unmounted', async () => {
      const problems: string[] = [];
      page.on('console', (message) => {
        // A login that is refused, or a visitor without a session, is not a problem of React.
        if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
          problems.push(message.text());
      });
      page.on('pageerror', (error) => problems.push(error.message));
      await page.goto(site.url);
      await page.evaluate(`import('/page.js').then((app) => void (globalThis.app = app))`);
      const html = () => page.evaluate<string>('app.html()');

      await page.evaluate(`app.hydrate(${JSON.stringify(rendered)})`);
      await expect.poll(html).toBe(LINK);
      const { username, password } = ROOT;
      const signIn = `app.client.login(${JSON.stringify({ username, password })})`;
      await page.evaluate(signIn);
      await expect.poll(html).toBe(BUTTON);
      // The answer removes the cookie, so the next login waits for it.
      const loggedOut = page.waitForResponse((response) => response.url().endsWith('/auth/logout'));
      await page.evaluate('app.click()');
      await expect.poll(html).toBe(LINK);
      await (await loggedOut).finished();
      await expect.poll(() => page.evaluate('app.client.state')).toBe('signed-out');

      await page.evaluate('app.unmount()');
      await page.evaluate(signIn);
      expect(await html()).toBe('');
      await page.evaluate('app.mount()');
      await expect.poll(html).toBe(BUTTON);
      expect([problems, await page.evaluate('app.problems')]).toEqual([[], []]);
    });
  });
});
