import type { Locator, Page } from 'playwright-core';

/** Swagger UI in a browser. */
export class SwaggerPage {
  /** What the browser's console and the page complained about. */
  readonly problems: string[] = [];

  constructor(readonly page: Page) {
    // A busy machine needs long for the first page.
    page.setDefaultTimeout(60_000);
    page.on('console', (message) => {
      if (message.type() === 'error') this.problems.push(message.text());
    });
    page.on('pageerror', (error) => this.problems.push(error.message));
  }

  /** Opens an operation, sends it (with a body, if one is given), and says what came back. */
  async run(id: string, body?: object): Promise<{ readonly status: string; readonly text: string }> {
    const operation = this.page.locator(`[id$="-${id}"]`);
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
}
