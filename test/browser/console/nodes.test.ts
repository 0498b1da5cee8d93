import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RateLimitService } from '../../../src/limits/limits.service.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { launchChromium, withoutChromium } from '../../helpers/chromium.js';
import { ROOT, aUser, sql, tryLogin } from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';
import { CONSOLE_FOLDER, ConsolePage } from '../../helpers/console-page.js';

if (withoutChromium !== undefined) console.warn(`The console is not tested: ${withoutChromium}`);

const LIMIT = 5;
const WRONG = 'not the password';
const NAUGHTY = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../vectors/naughty-strings/blns.json'), 'utf8'),
) as string[];

describe.skipIf(withoutChromium !== undefined)('nodes and limits in the console', () => {
  let node: TestApp;
  let browser: Browser;
  let view: ConsolePage;
  let user: Account;
  let clients = 0;
  beforeAll(async () => {
    const env = { AUTH_RATE_LIMIT: String(LIMIT), AUTH_RATE_WINDOW: '600', TRUST_PROXY: '127.0.0.1' };
    node = await createTestApp({ listen: true, consoleFolder: CONSOLE_FOLDER, env });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await node?.close();
  });
  beforeEach(async () => {
    await sql(node, 'DELETE FROM rate_limits');
    node.app.get(RateLimitService).forgetBlocks();
    await sql(node, 'DELETE FROM service_nodes');
    user = await aUser(node);
    await open();
  });
  afterEach(async () => {
    expect(view.faults).toEqual([]);
    await view.close();
  });

  /** Each browser has an address of its own, so that no test uses up the limits of another one. */
  async function open(options: Parameters<typeof ConsolePage.open>[2] = {}): Promise<void> {
    clients += 1;
    view = await ConsolePage.open(browser, node.url, {
      ...options,
      extraHTTPHeaders: { 'X-Forwarded-For': `203.0.113.${clients}` },
    });
  }

  const there = { headers: { 'x-forwarded-for': '198.51.100.7' } };

  async function block(account: Account): Promise<void> {
    for (let each = 0; each < LIMIT; each++) await tryLogin(node, { ...account, password: WRONG }, there);
    expect((await tryLogin(node, account, there)).statusCode).toBe(429);
  }

  it('shows each node with its readiness, and the findings of the doctor', async () => {
    await sql(
      node,
      `INSERT INTO service_nodes (id, host, worker, workers, version, started_at, seen_at, failing, knowledge_age_ms,
         propagation_p50_ms, propagation_p99_ms, propagation_samples)
       VALUES (gen_random_uuid(), 'lost', 2, 4, '0.0.9', now(), now() - interval '20 seconds', '{}', 120, 9, 1400, 31),
         (gen_random_uuid(), 'weak', NULL, 1, '0.0.9', now(), now(), '{revocation_feed}', 4100, NULL, NULL, 0)`,
    );
    await view.signIn(ROOT, '#/nodes');
    await view.heading('Nodes and limits').waitFor();
    await view.row('(answers you)').getByText('Ready').waitFor();
    const lost = view.row('worker 2 of 4');
    for (const text of ['Silent', '120 ms', '9 ms', '1.4 s']) await lost.filter({ hasText: text }).waitFor();
    await view.row('weak').getByText('Revocation feed').waitFor();
    await view.page.getByText('The nodes run 2 versions').waitFor();
    await view.page.getByText(/checks passed/).click();
    await view.page.getByText('Keys:').waitFor();
    await view.expectAccessible();
  });

  it('releases an account with a fresh password, by the keyboard alone, and the user can log in again', async () => {
    await block(user);
    await view.signIn(ROOT, `#/nodes?username=${user.username}`);
    const row = view.row(user.username);
    await row.getByText('Wrong passwords').waitFor();
    await row.getByRole('link', { name: '198.51.100.7' }).waitFor();
    await view.expectAccessible();
    await sql(node, `UPDATE refresh_tokens SET password_at = password_at - interval '6 minutes'`);
    await row.getByRole('button', { name: 'Release …' }).focus();
    await view.page.keyboard.press('Enter');
    await view
      .dialog('Release this account?')
      .getByText('but not from 198.51.100.7, which is blocked too')
      .waitFor();
    await view.dialog('Release this account?').getByRole('checkbox').focus();
    await view.page.keyboard.press('Space');
    await view.expectAccessible();
    await view.dialog('Release this account?').getByRole('button', { name: 'Release' }).focus();
    await view.page.keyboard.press('Enter');
    await view.dialog('Enter your password again').getByLabel('Your password').fill(ROOT.password);
    await view.page.keyboard.press('Enter');
    await view.page.getByText('No addresses or accounts match').waitFor();
    expect((await tryLogin(node, user, there)).statusCode).toBe(200);
  });

  it('shows addresses, names of no user, and that nobody is blocked', async () => {
    await view.signIn(ROOT, '#/nodes');
    await view.page.getByText('Nobody is blocked').waitFor();
    await block({ id: '', username: `nobody-${user.id}`, password: WRONG });
    await view.row('A name of no user').waitFor();
    await view.row('198.51.100.7').getByText('Logins', { exact: true }).waitFor();
    await view.page.getByLabel('Blocked', { exact: true }).selectOption('Addresses');
    await expect.poll(() => view.row('A name of no user').count(), { timeout: 30_000 }).toBe(0);
    expect(new URL(view.page.url()).hash).toBe('#/nodes?kind=address');
  });

  it('keeps what it knew while the service answers 503 or 429, and says when it asks again', async () => {
    await view.signIn(ROOT, '#/nodes');
    await view.row('(answers you)').waitFor();
    const answers = [
      { status: 503, code: 'service_unavailable', path: '**/admin/nodes' },
      { status: 429, code: 'rate_limited', path: '**/admin/limits/blocked' },
    ];
    for (const { status, code, path } of answers) {
      const body = {
        type: 'about:blank',
        title: code,
        status,
        detail: code,
        code,
        request_id: `of-the-${status}`,
      };
      await view.page.route(`${path}*`, (route) =>
        route.fulfill({
          status,
          headers: { 'Retry-After': '1' },
          contentType: 'application/problem+json',
          body: JSON.stringify(body),
        }),
      );
      await view.page.getByText(`of-the-${status}`).first().waitFor();
    }
    expect(await view.row('(answers you)').count()).toBe(1);
    await view.expectAccessible();
    await view.page.unrouteAll({ behavior: 'wait' });
    for (const { status } of answers)
      await expect.poll(() => view.page.getByText(`of-the-${status}`).count(), { timeout: 30_000 }).toBe(0);
  });

  it('shows hostile names of hosts and versions as plain text', async () => {
    const odd = NAUGHTY.map((text) => text.replaceAll('\0', '').toWellFormed()).filter(
      (text, index) => text.trim() !== '' && text.length < 200 && index % 12 === 0,
    );
    await sql(
      node,
      `INSERT INTO service_nodes (id, host, workers, version, started_at, seen_at, failing, propagation_samples)
       SELECT gen_random_uuid(), text, 1, text, now(), now(), '{}', 0 FROM unnest($1::text[]) AS text`,
      [odd],
    );
    await view.signIn(ROOT, '#/nodes');
    await view.page.getByRole('row').nth(20).waitFor();
    await view.expectNothingInjected();
    await view.expectNoSidewaysScrolling();
    await view.expectAccessible();
  });

  it('fits on a phone, in the dark', async () => {
    await block(user);
    await view.close();
    await open({
      viewport: { width: 360, height: 640 },
      colorScheme: 'dark',
      isMobile: true,
      hasTouch: true,
    });
    await view.signIn(ROOT, '#/nodes');
    await view.row(user.username).waitFor();
    await view.expectNoSidewaysScrolling();
    await view.expectAccessible();
  });
});
