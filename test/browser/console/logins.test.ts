import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { launchChromium, withoutChromium } from '../../helpers/chromium.js';
import {
  ROOT,
  aUser,
  bearer,
  get,
  login,
  post,
  sidOf,
  sql,
  tryLogin,
  tryRefresh,
} from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';
import { CONSOLE_FOLDER, ConsolePage } from '../../helpers/console-page.js';

if (withoutChromium !== undefined) console.warn(`The console is not tested: ${withoutChromium}`);

const NAUGHTY = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../vectors/naughty-strings/blns.json'), 'utf8'),
) as string[];

describe.skipIf(withoutChromium !== undefined)('the list of logins', () => {
  let node: TestApp;
  let browser: Browser;
  let view: ConsolePage;
  let grace: Account;
  beforeAll(async () => {
    node = await createTestApp({ listen: true, consoleFolder: CONSOLE_FOLDER });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await node?.close();
  });
  beforeEach(async () => {
    grace = await aUser(node);
    view = await ConsolePage.open(browser, node.url);
  });
  afterEach(async () => {
    expect(view.faults).toEqual([]);
    await view.close();
  });

  /** More than five minutes after the login, actions need the password again. */
  const passwordsBecomeOld = () =>
    sql(node, `UPDATE refresh_tokens SET password_at = password_at - interval '6 minutes'`);

  it('marks the own login, and keeps the filters in an address that others can open', async () => {
    const { refresh_token: token } = await login(node, grace, { headers: { 'user-agent': 'OldApp/2.1' } });
    await view.signIn(ROOT, `#/logins?username=${grace.username}`);
    await view.row(grace.username).waitFor();
    expect(await view.row('OldApp 2.1').count()).toBe(1);
    await view.page.getByLabel('State').selectOption('Revoked');
    await view.page.getByText('No logins match these filters').waitFor();
    expect(view.page.url()).toContain('state=revoked');
    await view.page.goBack();
    await view.goto('#/logins?ip=127.0.0.1');
    await view.row('root').getByText('You').first().waitFor();
    expect((await tryRefresh(node, token)).statusCode).toBe(200);
  });

  it('says what is wrong with a filter in the address, and clears it', async () => {
    await view.signIn(ROOT, '#/logins?ip=not-an-address');
    await view.page.getByText('This request is not valid').waitFor();
    await view.expectAccessible();
    await view.page.getByRole('alert').getByRole('button', { name: 'Clear filters' }).click();
    await view.row('root').first().waitFor();
    expect(view.page.url()).not.toContain('not-an-address');
  });

  it('revokes a login with a reason, and a second browser sees it', async () => {
    const tokens = await login(node, grace);
    const place = `#/logins?username=${grace.username}`;
    const second = await ConsolePage.open(browser, node.url);
    await second.signIn(ROOT, place);
    await second.row(grace.username).getByText('Active').waitFor();
    await view.signIn(ROOT, place);
    await view
      .row(grace.username)
      .getByRole('button', { name: /^Revoke/ })
      .click();
    const dialog = view.dialog('Revoke this login?');
    await dialog.getByLabel('Reason (optional)').fill('Stolen phone');
    await view.expectAccessible();
    await dialog.getByRole('button', { name: 'Revoke' }).click();
    await second.row(grace.username).getByText('Revoked').waitFor();
    await second.row(grace.username).getByText('by root').waitFor();
    expect((await tryRefresh(node, tokens.refresh_token)).statusCode).toBe(401);
    expect(
      await sql(node, `SELECT revoke_reason, revoke_note FROM refresh_tokens WHERE id = $1`, [sidOf(tokens)]),
    ).toEqual([{ revoke_reason: 'revoke', revoke_note: 'Stolen phone' }]);
    await second.close();
  });

  it('asks more than once a second for changes, so that a revocation is seen within a second', async () => {
    await view.signIn(ROOT, '#/logins');
    await view.row('root').first().waitFor();
    const asks = () =>
      view.page.waitForRequest((request) => new URL(request.url()).pathname.endsWith('/admin/tokens'));
    await asks();
    await asks();
    const source = readFileSync(
      join(import.meta.dirname, '../../../packages/console/src/api/queries.ts'),
      'utf8',
    );
    const [, interval] = /LIVE_MS = (\d+)/.exec(source)!;
    expect(Number(interval)).toBeLessThanOrEqual(700);
  });

  it('revokes everything that matches: counts, asks for the password, and repeats the action', async () => {
    const all = await Promise.all(
      [1, 2, 3].map(() => login(node, grace, { headers: { 'user-agent': 'Leaky/1' } })),
    );
    await view.signIn(ROOT, `#/logins?username=${grace.username}&state=active`);
    await view.row(grace.username).nth(2).waitFor();
    await passwordsBecomeOld();
    await view.button('Revoke all that match …').click();
    const dialog = view.dialog('Revoke all that match');
    await dialog.getByLabel('Reason (optional)').fill('Leak in client 1');
    await dialog.getByRole('button', { name: 'Revoke 3 logins' }).click();

    const question = view.dialog('Enter your password again');
    await question.getByLabel('Your password').fill('not the pass phrase');
    await question.getByRole('button', { name: 'Continue' }).click();
    await question.getByText('The password is wrong.').waitFor();
    await view.expectAccessible();
    await question.getByLabel('Your password').fill(ROOT.password);
    await view.page.keyboard.press('Enter');

    await view.dialog('3 logins revoked').getByRole('button', { name: 'Close' }).click();
    for (const { refresh_token } of all) expect((await tryRefresh(node, refresh_token)).statusCode).toBe(401);
    expect(
      await sql(node, `SELECT DISTINCT revoke_note FROM refresh_tokens WHERE id = ANY($1)`, [all.map(sidOf)]),
    ).toEqual([{ revoke_note: 'Leak in client 1' }]);
  });

  it('revokes nobody if the password dialog is closed', async () => {
    const tokens = await login(node, grace);
    await view.signIn(ROOT, `#/logins?username=${grace.username}&state=active`);
    await view.row(grace.username).waitFor();
    await passwordsBecomeOld();
    await view.button('Revoke all that match …').click();
    const dialog = view.dialog('Revoke all that match');
    await dialog.getByLabel('Reason (optional)').fill('A long reason');
    await dialog.getByRole('button', { name: 'Revoke 1 login' }).click();
    await view.dialog('Enter your password again').getByLabel('Your password').waitFor();
    await view.page.keyboard.press('Escape');
    await view.dialog('Enter your password again').waitFor({ state: 'detached' });
    expect(await dialog.getByLabel('Reason (optional)').inputValue()).toBe('A long reason');
    expect((await tryRefresh(node, tokens.refresh_token)).statusCode).toBe(200);
  });

  it('says that more match than were counted, and revokes nobody', async () => {
    const first = await login(node, grace);
    await view.signIn(ROOT, `#/logins?username=${grace.username}&state=active`);
    await view.row(grace.username).waitFor();
    await view.button('Revoke all that match …').click();
    const dialog = view.dialog('Revoke all that match');
    const button = dialog.getByRole('button', { name: 'Revoke 1 login' });
    await button.waitFor();
    await login(node, grace);
    await button.click();
    await dialog.getByText('nobody was signed out').waitFor();
    await dialog.getByRole('button', { name: 'Revoke 2 logins' }).waitFor();
    expect((await tryRefresh(node, first.refresh_token)).statusCode).toBe(200);
  });

  it('keeps a form when the login ends at work, and continues after signing in again', async () => {
    const tokens = await login(node, grace);
    await view.signIn(ROOT, `#/logins?username=${grace.username}`);
    await view
      .row(grace.username)
      .getByRole('button', { name: /^Revoke/ })
      .click();
    const dialog = view.dialog('Revoke this login?');
    await dialog.getByLabel('Reason (optional)').fill('Half a sentence');
    const token = (await login(node)).access_token;
    const { id } = (await get(node, '/api/users/me', token)).json<{ id: string }>();
    expect((await post(node, `/admin/users/${id}/revoke`, undefined, bearer(token))).statusCode).toBe(200);
    const again = view.dialog('Your login has ended');
    await again.waitFor();
    await view.expectAccessible();
    await again.getByLabel('Password').fill(ROOT.password);
    await view.page.keyboard.press('Enter');
    await again.waitFor({ state: 'detached' });
    expect(await dialog.getByLabel('Reason (optional)').inputValue()).toBe('Half a sentence');
    await dialog.getByRole('button', { name: 'Revoke' }).click();
    await view.row(grace.username).getByText('Revoked').waitFor();
    expect(await sql(node, `SELECT revoke_note FROM refresh_tokens WHERE id = $1`, [sidOf(tokens)])).toEqual([
      { revoke_note: 'Half a sentence' },
    ]);
  });

  it('shows hostile names and programs as plain text', async () => {
    const odd = NAUGHTY.filter((text) => text.trim() !== '' && text.length < 200).filter(
      (_text, index) => index % 12 === 0,
    );
    for (const [index, text] of odd.entries()) {
      await sql(node, `INSERT INTO users (id, username, username_key) VALUES (gen_random_uuid(), $1, $2)`, [
        text.replaceAll('\0', ''),
        `naughty-${index}`,
      ]);
    }
    await sql(
      node,
      `INSERT INTO refresh_tokens (id, user_id, secret, mac_key, delivery, expires_at, absolute_expires_at, ip, user_agent)
       SELECT gen_random_uuid(), id, '', '', 'body', now() + interval '1 day', now() + interval '1 day', '192.0.2.66', username
       FROM users WHERE username_key LIKE 'naughty-%'`,
    );
    await view.signIn(ROOT, '#/logins?ip=192.0.2.66');
    await view.row('192.0.2.66').nth(20).waitFor();
    await view.expectNothingInjected();
    await view.expectNoSidewaysScrolling();
    await view.expectAccessible();
  });

  it('works on a phone, in the dark, without sideways scrolling', async () => {
    await view.close();
    const viewport = { width: 360, height: 640 };
    view = await ConsolePage.open(browser, node.url, {
      viewport,
      colorScheme: 'dark',
      hasTouch: true,
      isMobile: true,
    });
    await login(node, grace);
    await view.signIn(ROOT, '#/logins');
    await view.row(grace.username).first().waitFor();
    await view.expectNoSidewaysScrolling();
    await view.expectAccessible();
    await view
      .row(grace.username)
      .first()
      .getByRole('button', { name: /^Revoke/ })
      .tap();
    await view.dialog('Revoke this login?').getByRole('button', { name: 'Cancel' }).tap();
  });

  it('can be used with the keyboard alone', async () => {
    const tokens = await login(node, grace);
    await view.signIn(ROOT, `#/logins?username=${grace.username}`);
    const row = view.row(grace.username);
    await row.waitFor();
    await row.getByRole('checkbox').focus();
    await view.page.keyboard.press('Space');
    await view.page.getByText('1 login selected').waitFor();
    await view.button('Revoke selected').focus();
    await view.page.keyboard.press('Enter');
    await view.dialog('Revoke this login?').waitFor();
    // The first control of the dialog has the focus.
    await view.page.keyboard.type('By keyboard');
    await view.page.keyboard.press('Tab');
    await view.page.keyboard.press('Tab');
    await view.page.keyboard.press('Enter');
    await row.getByText('Revoked').waitFor();
    expect((await tryRefresh(node, tokens.refresh_token)).statusCode).toBe(401);
    expect((await tryLogin(node, grace)).statusCode).toBe(200);
  });
});
