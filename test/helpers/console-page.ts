import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import { ROOT } from './client.js';
import type { Account } from './client.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** The files of the last build, for a node. */
export const CONSOLE_FOLDER = join(import.meta.dirname, '../../packages/console/dist');

interface Audit {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
  }[];
  readonly passes: readonly { readonly id: string }[];
}

/** The console in a browser of its own. */
export class ConsolePage {
  /** What the page complained about: errors of scripts, violations of its content security policy, and dialogs of the browser. */
  readonly faults: string[] = [];

  private constructor(
    readonly url: string,
    readonly context: BrowserContext,
    readonly page: Page,
  ) {
    // A busy machine needs long for the first page.
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (error) => this.faults.push(error.message));
    page.on('dialog', (box) => {
      this.faults.push(`dialog: ${box.message()}`);
      void box.dismiss();
    });
    page.on('console', (message) => {
      const text = message.text();
      // The browser reports each refused request. Tests refuse some on purpose.
      if (message.type() === 'error' && !text.startsWith('Failed to load resource')) this.faults.push(text);
    });
  }

  static async open(
    browser: Browser,
    url: string,
    options: BrowserContextOptions = {},
  ): Promise<ConsolePage> {
    const context = await browser.newContext(options);
    return new ConsolePage(url, context, await context.newPage());
  }

  /** Goes to a place, such as `#/logins`. */
  async goto(place = ''): Promise<void> {
    await this.page.goto(`${this.url}/console/${place}`);
  }

  async signIn(
    { username, password }: Pick<Account, 'username' | 'password'> = ROOT,
    place = '',
  ): Promise<void> {
    await this.goto(place);
    await this.page.getByLabel('Username').fill(username);
    await this.page.getByLabel('Password').fill(password);
    await this.page.getByRole('button', { name: 'Sign in' }).click();
  }

  heading(name: string | RegExp): Locator {
    return this.page.getByRole('heading', { level: 1, name });
  }

  /** The row of a table that contains a text. */
  row(text: string): Locator {
    return this.page.getByRole('row').filter({ hasText: text });
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole('button', { name });
  }

  /** The dialog on top. */
  dialog(name: string | RegExp): Locator {
    return this.page.getByRole('dialog', { name });
  }

  /** Expects that axe finds nothing on the page as it is now, and that it could judge the colours. */
  async expectAccessible(): Promise<void> {
    const { violations, passes } = await this.page.evaluate<Audit>(`${AXE}; axe.run()`);
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes[0]!.html} ${nodes[0]!.failureSummary}`);
    expect(found).toEqual([]);
    expect(passes.map(({ id }) => id)).toContain('color-contrast');
  }

  /** Expects that the page fits into the width of the window. */
  async expectNoSidewaysScrolling(): Promise<void> {
    const isWide = await this.page.evaluate<boolean>('document.documentElement.scrollWidth > innerWidth');
    expect(isWide).toBe(false);
  }

  /** Expects that no text has become an element or a style, and that no script of a text has run. */
  async expectNothingInjected(): Promise<void> {
    expect(this.faults).toEqual([]);
    const injected = await this.page.evaluate<number>(
      `document.querySelectorAll('main script, main img, main iframe, main marquee, main [style]').length`,
    );
    expect(injected).toBe(0);
  }

  close(): Promise<void> {
    return this.context.close();
  }
}
