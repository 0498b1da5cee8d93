import { expect } from 'vitest';
import { launchChromium, withoutChromium } from '../../chromium.js';
import type { Account } from './shop-client.js';

/** Milliseconds. */
const PATIENCE = 60_000;

export const withoutBrowser = withoutChromium;

/** What the page of the shop asked for, with the scheme of the credential that it sent. */
interface Call {
  readonly path: string;
  readonly status: number;
  readonly scheme: 'bearer' | 'cookie';
}

/**
 * Uses the page of the shop in a real browser: logs in, reloads the page, which gets new tokens without a password, and logs out. Returns
 * the calls of the page.
 */
export async function useShopPage(url: string, { email, password }: Account): Promise<readonly Call[]> {
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE);
    const calls: Call[] = [];
    page.on('response', (response) => {
      const scheme = response.request().headers()['authorization'] === undefined ? 'cookie' : 'bearer';
      calls.push({ path: new URL(response.url()).pathname, status: response.status(), scheme });
    });
    await page.goto(`${url}/public/index.html`);
    await page.fill('[name=email]', email);
    await page.fill('[name=password]', password);
    await page.click('#login button');
    await page.waitForSelector('#logout', { state: 'visible' });
    await page.reload();
    await page.waitForSelector('#logout', { state: 'visible' });
    expect(await page.isVisible('#login')).toBe(false);
    await page.click('#logout');
    await page.waitForSelector('#login', { state: 'visible' });
    await page.reload();
    await page.waitForSelector('#login', { state: 'visible' });
    expect(await page.isVisible('#logout')).toBe(false);
    return calls;
  } finally {
    await browser.close();
  }
}
