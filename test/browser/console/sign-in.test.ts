import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { launchChromium, withoutChromium } from '../../helpers/chromium.js';
import { ROOT, aUser, sql } from '../../helpers/client.js';
import { CONSOLE_FOLDER, ConsolePage } from '../../helpers/console-page.js';

if (withoutChromium !== undefined) console.warn(`The console is not tested: ${withoutChromium}`);

const PROBLEM = {
  status: 503,
  code: 'service_unavailable',
  detail: 'Try again later.',
  request_id: 'of-the-503',
};

describe.skipIf(withoutChromium !== undefined)('signing in to the console', () => {
  let node: TestApp;
  let browser: Browser;
  let view: ConsolePage;
  beforeAll(async () => {
    node = await createTestApp({ listen: true, consoleFolder: CONSOLE_FOLDER });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await node?.close();
  });
  beforeEach(async () => {
    view = await ConsolePage.open(browser, node.url);
  });
  afterEach(() => view.close());

  it('keeps the refresh token in a cookie and no token in the storage, and survives a reload', async () => {
    await view.signIn();
    await view.heading('Logins').waitFor();
    const cookies = await view.context.cookies(`${node.url}/auth/refresh`);
    expect(cookies).toMatchObject([{ httpOnly: true, sameSite: 'Strict' }]);
    expect(await view.page.evaluate('JSON.stringify(localStorage)')).not.toMatch(/eyJ|rt_|\.{2}/);
    await view.page.reload();
    await view.heading('Logins').waitFor();
    expect(view.faults).toEqual([]);
  });

  it('says that the name or the password is wrong, and takes the right ones afterwards', async () => {
    await view.signIn({ ...ROOT, password: 'not the pass phrase' });
    await view.page.getByText('The name or the password is wrong.').waitFor();
    expect(await view.page.getByLabel('Username').inputValue()).toBe('root');
    await view.page.getByLabel('Password').fill(ROOT.password);
    await view.page.keyboard.press('Enter');
    await view.heading('Logins').waitFor();
  });

  it('shows no data to somebody who is not an administrator', async () => {
    const user = await aUser(node);
    const answers: string[] = [];
    view.page.on('response', (response) => {
      if (response.url().includes('/admin/')) answers.push(`${response.status()}`);
    });
    await view.signIn(user);
    await view.heading('This account cannot use the console').waitFor();
    expect(await view.page.getByRole('navigation').count()).toBe(0);
    expect(new Set(answers)).toEqual(new Set(['403']));
    await view.expectAccessible();
    await view.button('Sign in with another account').click();
    await view.heading('Sign in to the console').waitFor();
  });

  it('signs out here and at the service', async () => {
    await view.signIn();
    await view.heading('Logins').waitFor();
    await view.button('Sign out').click();
    await view.heading('Sign in to the console').waitFor();
    await expect
      .poll(() => sql(node, `SELECT 1 FROM refresh_tokens WHERE revoke_reason = 'logout'`))
      .not.toHaveLength(0);
    await view.page.reload();
    await view.heading('Sign in to the console').waitFor();
  });

  it('waits for a service that answers 503 and continues by itself', async () => {
    await view.signIn();
    await view.heading('Logins').waitFor();
    const answer = { status: 503, headers: { 'Retry-After': '1' }, contentType: 'application/problem+json' };
    await view.page.route('**/admin/**', (route) =>
      route.fulfill({ ...answer, body: JSON.stringify(PROBLEM) }),
    );
    await view.page.getByText('The service cannot answer right now').first().waitFor();
    await view.page.getByText('of-the-503').first().waitFor();
    // What was known stays in view.
    await view.row('root').first().waitFor();
    await view.expectAccessible();
    await view.page.unrouteAll();
    await view.page.getByText('The service cannot answer right now').waitFor({ state: 'detached' });
  });

  it.each(['light', 'dark'] as const)(
    'is accessible in %s colours before anybody has signed in',
    async (colorScheme) => {
      await view.close();
      view = await ConsolePage.open(browser, node.url, { colorScheme });
      await view.goto();
      await view.heading('Sign in to the console').waitFor();
      await view.expectAccessible();
      expect(view.faults).toEqual([]);
    },
  );
});
