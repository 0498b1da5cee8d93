import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { launchChromium, withoutChromium } from '../helpers/chromium.js';
import { aUser, bearer, login } from '../helpers/client.js';
import type { Account } from '../helpers/client.js';
import { bundled } from '../helpers/client-bundle.js';
import { ClientSite } from '../helpers/client-site.js';

if (withoutChromium !== undefined) console.warn(`The client is not tested in a browser: ${withoutChromium}`);

/** In the page: all that a script of the page can read. */
const READABLE = `Promise.all([indexedDB.databases(), caches.keys()]).then((stored) =>
  JSON.stringify([stored, { ...localStorage }, { ...sessionStorage }, document.cookie, location.href]))`;

describe.skipIf(withoutChromium !== undefined)('@tandem-auth/client in a browser', () => {
  let node: TestApp;
  let site: ClientSite;
  let evil: Server;
  let evilUrl: string;
  /** What the other origin received as Authorization. */
  const received: (string | undefined)[] = [];
  let browser: Browser;
  let context: BrowserContext;
  let user: Account;

  beforeAll(async () => {
    [node, browser] = await Promise.all([createTestApp({ listen: true }), launchChromium()]);
    site = await ClientSite.start(node.url);
    site.scripts.set('/client.js', await bundled('packages/client/src/index.ts'));
    evil = createServer(({ headers, method }, response) => {
      if (method !== 'OPTIONS') received.push(headers.authorization);
      response.setHeader('access-control-allow-origin', headers.origin ?? '*');
      response.setHeader('access-control-allow-headers', 'authorization');
      response.end('got it');
    });
    await new Promise<void>((done) => evil.listen(0, '127.0.0.1', done));
    evilUrl = `http://127.0.0.1:${(evil.address() as AddressInfo).port}`;
    site.redirects.set('/elsewhere', `${evilUrl}/`);
  });
  afterAll(async () => {
    await browser?.close();
    await site?.stop();
    evil?.closeAllConnections();
    await new Promise((done) => evil.close(done));
    await node?.close();
  });
  beforeEach(async () => {
    user = await aUser(node);
    context = await browser.newContext();
  });
  afterEach(() => context.close());

  /** A tab with a client and with all messages between the tabs. */
  async function openTab(): Promise<Page> {
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    await page.goto(site.url);
    await start(page);
    return page;
  }

  const start = (page: Page) =>
    page.evaluate(`import('/client.js').then(({ createAuthClient }) => {
      const channel = new BroadcastChannel('tandem ${site.url}/');
      globalThis.messages = [];
      channel.onmessage = ({ data }) => messages.push(data);
      globalThis.client = createAuthClient({ baseUrl: '/' });
    })`);

  const signIn = (page: Page, { username, password }: Account) =>
    page.evaluate(`client.login(${JSON.stringify({ username, password })})`);

  const stateOf = (page: Page) => page.evaluate<string>('client.state');

  const tokenOf = (page: Page) => page.evaluate<string>('client.getAccessToken()');

  const nameIn = (page: Page) =>
    page.evaluate<string | undefined>(
      `client.fetch('/api/users/me').then((answer) => answer.json()).then(({ username }) => username)`,
    );

  /** The message of the error that a request ends with. */
  const failureOf = (page: Page, url: string) =>
    page.evaluate<string>(
      `client.fetch(${JSON.stringify(url)}).then(() => 'no error', ({ name, message }) => name + ': ' + message)`,
    );

  async function revokeAccessTokens(role: string): Promise<void> {
    const admin = (await login(node)).access_token;
    const url = `/admin/users/${user.id}`;
    const reply = await node.app.inject({ method: 'PATCH', url, payload: { role }, ...bearer(admin) });
    expect(reply.statusCode).toBe(200);
  }

  it('keeps the refresh token in a cookie that no script can read, and the access token in memory', async () => {
    const page = await openTab();
    await signIn(page, user);
    expect(await nameIn(page)).toBe(user.username);
    const cookie = (await context.cookies(`${site.url}/auth`)).find(({ name }) => name === 'refresh_token')!;
    expect(cookie).toMatchObject({ httpOnly: true, secure: true, sameSite: 'Strict', path: '/auth' });
    const readable = await page.evaluate<string>(READABLE);
    expect(readable).toMatch(/"tandem http:[^"]*":"tandem1 [0-9a-f-]{36} {2}"/);
    expect(readable).not.toContain(cookie.value);
    // No part of any token is there: this is how each header and payload begins.
    expect(readable).not.toContain('eyJ');
  });

  it('is signed in again after a reload, and in a new tab, by one refresh each', async () => {
    const page = await openTab();
    await signIn(page, user);
    const before = site.count('/auth/refresh');
    await page.reload();
    await start(page);
    expect(await nameIn(page)).toBe(user.username);
    expect(await nameIn(await openTab())).toBe(user.username);
    expect(site.count('/auth/refresh')).toBe(before + 2);
  });

  it('signs a tab out when another user signs in in another tab, and gives the first no data of the second', async () => {
    const page = await openTab();
    await signIn(page, user);
    const other = await openTab();
    const second = await aUser(node);
    await signIn(other, second);
    await revokeAccessTokens('editor');
    expect(await nameIn(page)).toBeUndefined();
    await expect.poll(() => stateOf(page)).toBe('signed-out');
    expect(await nameIn(page)).toBeUndefined();
    expect([await stateOf(other), await nameIn(other)]).toEqual(['signed-in', second.username]);
  });

  it('throws for other origins, also behind a redirect, and sends no token there', async () => {
    const page = await openTab();
    await signIn(page, user);
    expect(await failureOf(page, 'https://evil.example')).toBe(
      'TypeError: https://evil.example is not an origin of this client',
    );
    expect(await failureOf(page, '//evil.example')).toBe(
      'TypeError: http://evil.example is not an origin of this client',
    );
    expect(await failureOf(page, `${evilUrl}/api`)).toContain('is not an origin of this client');
    expect(received).toEqual([]);
    // The browser itself removes the token, and the client refuses the answer.
    expect(await failureOf(page, '/elsewhere')).toMatch(/^TypeError: /);
    expect(received.filter((each) => each !== undefined)).toEqual([]);
    expect(await nameIn(page)).toBe(user.username);
  });

  it('signs all tabs in and out, with messages that contain no token', async () => {
    const [page, other] = [await openTab(), await openTab()];
    await signIn(page, user);
    await expect.poll(() => stateOf(other)).toBe('signed-in');
    const tokens = [await tokenOf(page), await tokenOf(other)];
    await revokeAccessTokens('editor');
    expect([await nameIn(page), await nameIn(other)]).toEqual([user.username, user.username]);
    tokens.push(await tokenOf(page), await tokenOf(other));
    expect(new Set(tokens).size).toBe(4);
    await page.evaluate('client.logout()');
    await expect.poll(() => stateOf(other)).toBe('signed-out');
    expect(await nameIn(other)).toBeUndefined();
    const cookies = await context.cookies(`${site.url}/auth`);
    expect(cookies.map(({ name }) => name)).not.toContain('refresh_token');
    const messages = (
      await Promise.all([page, other].map((each) => each.evaluate<unknown[]>('messages')))
    ).flat();
    expect(messages).toContain('changed');
    for (const message of messages) expect(message).toMatch(/^(changed|[-+=!]0\.\d+(e-\d+)?)$/);
  });
});
