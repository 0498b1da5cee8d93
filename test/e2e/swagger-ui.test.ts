import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { launchChromium, withoutChromium } from '../helpers/chromium.js';
import { ROOT } from '../helpers/client.js';

if (withoutChromium !== undefined) console.warn(`Swagger UI is not tested: ${withoutChromium}`);

describe.skipIf(withoutChromium !== undefined)('Swagger UI', () => {
  let node: TestApp;
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];

  beforeAll(async () => {
    node = await createTestApp({ listen: true });
    browser = await launchChromium();
    page = await browser.newPage();
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    page.on('pageerror', (error) => problems.push(error.message));
    await page.goto(`${node.url}/docs`);
  });
  afterAll(async () => {
    await browser?.close();
    await node?.close();
  });

  /** Opens an operation, sends it (with a body, if one is given), and says what came back. */
  async function run(id: string, body?: object): Promise<{ status: string; text: string }> {
    const operation = page.locator(`[id$="-${id}"]`);
    await operation.locator('.opblock-summary-control').click();
    await operation.getByRole('button', { name: 'Try it out' }).click();
    if (body !== undefined) await operation.locator('textarea.body-param__text').fill(JSON.stringify(body));
    await operation.getByRole('button', { name: 'Execute' }).click();
    const live: Locator = operation.locator('.live-responses-table .response');
    return {
      status: await live.locator('.response-col_status').first().innerText(),
      text: await live.locator('.microlight').first().innerText(),
    };
  }

  it('logs in, authorizes with the access token and calls the API with it', async () => {
    const { username, password } = ROOT;
    const login = await run('Auth_login', { username, password });
    expect(login.status).toContain('200');
    const token = /"access_token":\s*"([^"]+)"/.exec(login.text)![1]!;

    await page.getByRole('button', { name: 'Authorize' }).first().click();
    const schemes = page.locator('.auth-container');
    expect(await schemes.locator('h4 code').allInnerTexts()).toEqual(
      expect.arrayContaining(['bearer', 'client']),
    );
    // What most people need comes first.
    const scheme = schemes.first();
    expect(await scheme.locator('h4 code').innerText()).toBe('bearer');
    await scheme.locator('input').fill(token);
    await scheme.locator('button.authorize').click();
    await scheme.locator('button.btn-done').click();

    const me = await run('Users_me');
    expect(me.status).toContain('200');
    expect(me.text).toContain(username);
  });

  it('loads without a violation of its content security policy', () => {
    expect(problems).toEqual([]);
  });
});
