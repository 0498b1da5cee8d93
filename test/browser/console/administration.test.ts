import { readFile } from 'node:fs/promises';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { launchChromium, withoutChromium } from '../../helpers/chromium.js';
import { ROOT, aUser, get, login, refresh, sidOf, sql, tryLogin, tryRefresh } from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';
import { CONSOLE_FOLDER, ConsolePage } from '../../helpers/console-page.js';

if (withoutChromium !== undefined) console.warn(`The console is not tested: ${withoutChromium}`);

const NEW_PASSWORD = 'a quite different pass phrase';

describe.skipIf(withoutChromium !== undefined)('administration in the console', () => {
  let node: TestApp;
  let browser: Browser;
  let view: ConsolePage;
  let user: Account;
  beforeAll(async () => {
    node = await createTestApp({ listen: true, consoleFolder: CONSOLE_FOLDER });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await node?.close();
  });
  beforeEach(async () => {
    user = await aUser(node);
    view = await ConsolePage.open(browser, node.url);
  });
  afterEach(async () => {
    expect(view.faults).toEqual([]);
    await view.close();
  });

  const root = async () => (await login(node)).access_token;

  it('tells the story of a login: its beginning, folded refreshes, a spent token and the end', async () => {
    const first = await login(node, user, { headers: { 'user-agent': 'OldApp/2.1' } });
    let last = first;
    for (let each = 0; each < 3; each++) last = await refresh(node, last.refresh_token);
    expect((await tryRefresh(node, first.refresh_token)).statusCode).toBe(401);
    await view.signIn(ROOT, `#/logins/${sidOf(first)}`);
    await view.heading(`Login of ${user.username}`).waitFor();
    const story = view.page.getByRole('region', { name: 'What happened' }).getByRole('listitem');
    await story.filter({ hasText: 'Logged in' }).waitFor();
    await story.filter({ hasText: 'Refreshed 3 times' }).waitFor();
    await story.filter({ hasText: 'A spent refresh token was presented' }).waitFor();
    await view.page.getByText('Token reused').first().waitFor();
    await view.expectAccessible();
    await view.goto('#/logins/5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10');
    await view.page.getByText('There is no such login').waitFor();
  });

  it('creates a user, shows what is wrong beside its field, and keeps the form', async () => {
    await view.signIn(ROOT, '#/users');
    await view.button('Create a user …').click();
    const dialog = view.dialog('Create a user');
    const name = `new-${user.id}`;
    await dialog.getByLabel('Username').fill(name);
    await dialog.getByLabel('Password (optional)').fill('short');
    await dialog.getByRole('button', { name: 'Create' }).click();
    await dialog.locator('[aria-invalid=true]').waitFor();
    expect(await dialog.getByLabel('Username').inputValue()).toBe(name);
    await view.expectAccessible();
    await dialog.getByLabel('Password (optional)').fill(NEW_PASSWORD);
    await dialog.getByRole('button', { name: 'Create' }).click();
    await view.heading(name).waitFor();
    expect((await tryLogin(node, { ...user, username: name, password: NEW_PASSWORD })).statusCode).toBe(200);
  });

  it('sets a password with a fresh one, disables, enables and deletes a user', async () => {
    await login(node, user);
    await view.signIn(ROOT, `#/users?query=${user.username}`);
    await view.row(user.username).getByRole('link').first().click();
    await view.heading(user.username).waitFor();
    await sql(node, `UPDATE refresh_tokens SET password_at = password_at - interval '6 minutes'`);
    await view.button('Set password …').click();
    await view.dialog('Set a new password').getByLabel('New password').fill(NEW_PASSWORD);
    await view.dialog('Set a new password').getByRole('button', { name: 'Set password' }).click();
    await view.dialog('Enter your password again').getByLabel('Your password').fill(ROOT.password);
    await view.page.keyboard.press('Enter');
    await view.page.getByText('Password changed').first().waitFor();
    await expect
      .poll(async () => (await tryLogin(node, { ...user, password: NEW_PASSWORD })).statusCode)
      .toBe(200);
    await view.button('Disable …').click();
    await view.dialog('Disable this user?').getByRole('button', { name: 'Disable' }).click();
    await view.button('Enable …').waitFor();
    expect((await tryLogin(node, { ...user, password: NEW_PASSWORD })).statusCode).toBe(401);
    await view.expectAccessible();
    await view.button('Delete …').click();
    await view.dialog('Delete this user?').getByRole('button', { name: 'Delete' }).click();
    await view.page.getByText('The user is deleted').waitFor();
    expect((await get(node, `/admin/users/${user.id}`, await root())).statusCode).toBe(404);
  });

  it('rotates the key, shows what depends on each key, and distrusts one', async () => {
    await view.signIn(ROOT, '#/keys');
    await view
      .row('Current')
      .getByText(/\d+ of \d+ users?/)
      .waitFor();
    await view.button('Rotate …').click();
    await view.dialog('Rotate the signing key?').getByRole('button', { name: 'Rotate' }).click();
    await view
      .row('Next')
      .getByText(/^Signs in/)
      .waitFor();
    await view.expectAccessible();
    await view.row('Current').getByRole('button', { name: 'Distrust …' }).click();
    const dialog = view.dialog('Distrust this key?');
    await dialog.getByText(/access tokens? of \d+ users?/).waitFor();
    await dialog.getByRole('button', { name: 'Distrust' }).click();
    await view.row('Distrusted').waitFor();
    // The own access token was signed by it: the client has refreshed, and the page continues.
    await view.row('Current').waitFor();
    expect(await view.dialog('Your login has ended').count()).toBe(0);
  });

  it('shows the audit trail with its seals and filters, and exports what the filters match', async () => {
    await login(node, user);
    await view.signIn(ROOT, `#/audit?user_id=${user.id}&event=login`);
    await view.page.getByText('Chain of seals').waitFor();
    await view.row(user.id.slice(0, 8)).waitFor();
    expect(await view.row('User created').count()).toBe(0);
    await view.expectAccessible();
    const download = view.page.waitForEvent('download');
    await view.button('Export').click();
    const lines = (await readFile(await (await download).path(), 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line) as { event: string; user_id: string })).toMatchObject([
      { event: 'login', user_id: user.id },
    ]);
    await view.row(user.id.slice(0, 8)).getByRole('link', { name: 'login' }).click();
    await view.heading(`Login of ${user.username}`).waitFor();
  });

  it.each([
    ['#/users', 'Users'],
    ['#/keys', 'Keys'],
    ['#/audit', 'Audit'],
  ])('fits %s on a phone, in the dark', async (place, name) => {
    await view.close();
    const viewport = { width: 360, height: 640 };
    view = await ConsolePage.open(browser, node.url, {
      viewport,
      colorScheme: 'dark',
      isMobile: true,
      hasTouch: true,
    });
    await view.signIn(ROOT, place);
    await view.heading(name).waitFor();
    await view.page.getByRole('row').nth(1).waitFor();
    await view.expectNoSidewaysScrolling();
    await view.expectAccessible();
  });
});
