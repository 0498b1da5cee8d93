import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { launchChromium, withoutChromium } from '../../helpers/chromium.js';
import { ROOT, aUser, bearer, get, login } from '../../helpers/client.js';
import { CONSOLE_FOLDER, ConsolePage } from '../../helpers/console-page.js';

if (withoutChromium !== undefined) console.warn(`The console is not tested: ${withoutChromium}`);

describe.skipIf(withoutChromium !== undefined)('the rollout in the console', () => {
  let node: TestApp;
  let browser: Browser;
  let view: ConsolePage;
  let token: string;
  beforeAll(async () => {
    node = await createTestApp({
      listen: true,
      consoleFolder: CONSOLE_FOLDER,
      env: { SESSION_SECRET: 'of a test' },
    });
    token = (await login(node)).access_token;
    for (let each = 0; each < 3; each++) await aUser(node);
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await node?.close();
  });
  beforeEach(async () => {
    await change({ phase: 'internal_beta', percentage: 0, drain: false });
    await change({ phase: 'gradual_rollout', percentage: 10 });
    view = await ConsolePage.open(browser, node.url);
    await view.signIn(ROOT, '#/rollout');
    await view.heading('Rollout').waitFor();
  });
  afterEach(async () => {
    expect(view.faults).toEqual([]);
    await view.close();
  });

  async function change(payload: object): Promise<void> {
    const reply = await node.app.inject({
      method: 'PATCH',
      url: '/admin/rollout',
      payload,
      ...bearer(token),
    });
    if (reply.statusCode !== 200) throw new Error(reply.body);
  }

  const state = async () =>
    (await get(node, '/admin/rollout', token)).json<{ phase: string; percentage: number; drain: boolean }>();
  const here = () => view.page.getByRole('list', { name: 'Percentages' }).locator('[aria-current=step]');

  it('shows where the rollout is, and that nothing advances by itself without a plan', async () => {
    expect(await here().innerText()).toBe('10 %');
    await view.page.getByText('Nothing by itself').waitFor();
    await view.page.getByRole('img', { name: /^Errors over time/ }).waitFor();
    await view.expectAccessible();
  });

  it('says whom a step moves before it is taken, and a second browser sees it', async () => {
    const second = await ConsolePage.open(browser, node.url);
    await second.signIn(ROOT, '#/rollout');
    await second.heading('Rollout').waitFor();
    await view.button('Change …').click();
    const dialog = view.dialog('Change the rollout');
    await dialog.getByLabel('Percentage of users on tokens').fill('100');
    await dialog.getByText(/moves \d+ users? to tokens/).waitFor();
    await view.expectAccessible();
    await dialog.getByRole('button', { name: 'Change', exact: true }).click();
    await second.page.getByRole('list', { name: 'Percentages' }).getByText('100 %').waitFor();
    expect(await state()).toMatchObject({ phase: 'gradual_rollout', percentage: 100 });
    await second.close();
  });

  it('rolls back and drains', async () => {
    await change({ percentage: 50 });
    await here().getByText('50 %').waitFor();
    await view.button('Roll back …').click();
    const dialog = view.dialog('Roll back?');
    await dialog.getByText('Percentage 10 % → 50 %').waitFor();
    await dialog.getByRole('checkbox').check();
    await dialog.getByRole('button', { name: 'Roll back and drain' }).click();
    await dialog.waitFor({ state: 'detached' });
    expect(await state()).toMatchObject({ percentage: 10, drain: true });
    await view.row('Rolled back').first().waitFor();
  });

  it('says who changed what if somebody else was faster, and keeps the values', async () => {
    await view.button('Change …').click();
    const dialog = view.dialog('Change the rollout');
    await dialog.getByLabel('Percentage of users on tokens').fill('33');
    await change({ percentage: 20 });
    await dialog.getByRole('button', { name: 'Change', exact: true }).click();
    await dialog.getByText('Percentage 10 % → 20 %').waitFor();
    expect(await dialog.getByRole('alert').innerText()).toContain('root');
    expect(await dialog.getByLabel('Percentage of users on tokens').inputValue()).toBe('33');
    expect(await state()).toMatchObject({ percentage: 20 });
    await view.expectAccessible();
    await dialog.getByRole('button', { name: 'Use my values for the new state' }).click();
    await dialog.getByRole('button', { name: 'Change', exact: true }).click();
    await dialog.waitFor({ state: 'detached' });
    expect(await state()).toMatchObject({ percentage: 33 });
  });

  it('edits the plan, tries it in a dry run, starts and holds it', async () => {
    await view.button('Edit the plan …').click();
    const dialog = view.dialog('Edit the plan');
    await dialog.getByRole('button', { name: 'Add a step' }).click();
    await dialog.getByLabel('Percentage of step 1').fill('10');
    await dialog.getByRole('button', { name: 'Add a step' }).click();
    await dialog.getByLabel('Percentage of step 2').fill('50');
    await dialog.getByLabel(/^Run the plan/).check();
    await dialog.getByRole('button', { name: 'Dry run' }).click();
    await dialog.getByText(/^Dry run: /).waitFor();
    await view.expectAccessible();
    expect((await get(node, '/admin/rollout/plan', token)).json()).toMatchObject({ steps: [] });
    await dialog.getByRole('button', { name: 'Save the plan' }).click();
    await dialog.waitFor({ state: 'detached' });
    await view.button('Hold').click();
    await view.button('Start the plan').waitFor();
    expect((await get(node, '/admin/rollout/plan', token)).json()).toMatchObject({
      enabled: false,
      steps: [{ percentage: 10 }, { percentage: 50 }],
    });
  });

  it('shows who is left on a phone', async () => {
    await view.close();
    view = await ConsolePage.open(browser, node.url, {
      viewport: { width: 360, height: 640 },
      isMobile: true,
      hasTouch: true,
    });
    await view.signIn(ROOT, '#/left');
    await view.heading('Who is left').waitFor();
    await view.page.getByText('No notice has been sent').waitFor();
    await view.expectNoSidewaysScrolling();
    await view.expectAccessible();
  });
});
