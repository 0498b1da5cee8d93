import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { launchChromium, withoutChromium } from '../helpers/chromium.js';
import { ROOT } from '../helpers/client.js';
import { SwaggerPage } from '../helpers/swagger-page.js';

if (withoutChromium !== undefined) console.warn(`Swagger UI is not tested: ${withoutChromium}`);

describe.skipIf(withoutChromium !== undefined)('Swagger UI', () => {
  let node: TestApp;
  let browser: Browser;
  let page: Page;
  let swagger: SwaggerPage;

  beforeAll(async () => {
    node = await createTestApp({ listen: true });
    browser = await launchChromium();
    page = await browser.newPage();
    swagger = new SwaggerPage(page);
    await page.goto(`${node.url}/docs`);
  });
  afterAll(async () => {
    await browser?.close();
    await node?.close();
  });

  it('logs in, authorizes with the access token and calls the API with it', async () => {
    const { username, password } = ROOT;
    const login = await swagger.run('Auth_login', { username, password });
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

    const me = await swagger.run('Users_me');
    expect(me.status).toContain('200');
    expect(me.text).toContain(username);
  });

  it('loads without a violation of its content security policy', () => {
    expect(swagger.problems).toEqual([]);
  });
});
