import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestApp } from '../../helpers/app.js';
import { post, refreshCookie, tokensOf, tryRefresh } from '../../helpers/client.js';
import type { Account, Reply } from '../../helpers/client.js';
import { bySession, sessionCookie, sessionLogin } from './session-client.js';
import { exchange, sessionNodes } from './session-nodes.js';
import type { SessionNodes } from './session-nodes.js';

/** A script cannot leave these out: the browser adds them. */
const BY_PAGE: readonly Record<string, string>[] = [
  { origin: 'http://tandem.test', 'sec-fetch-site': 'same-origin' },
  { origin: 'http://tandem.test' },
  { 'sec-fetch-site': 'same-origin' },
  { 'sec-fetch-site': 'none' },
];

/** P29: no script in a page can turn an HttpOnly credential into one that it can read. */
describe('a refresh token that is delivered by cookie only', () => {
  let nodes: SessionNodes;
  let node: TestApp;
  let user: Account;
  beforeAll(async () => {
    nodes = await sessionNodes();
    ({ node, user } = nodes);
  });
  afterAll(() => nodes.close());

  /** The tokens of a login, delivered so. */
  const loginBy = (token_delivery: 'body' | 'cookie'): Promise<Reply> =>
    post(node, '/auth/login', { username: user.username, password: user.password, token_delivery });

  const downgradeByCookie = (token: string): Promise<Reply> =>
    post(node, '/auth/downgrade', undefined, { cookies: { refresh_token: token } });

  const downgradeByBody = (token: string): Promise<Reply> =>
    post(node, '/auth/downgrade', { refresh_token: token });

  /** As a script of a page would ask, that may read every body. */
  const readBody = (cookie: string): Promise<Reply> => exchange(node, cookie, { token_delivery: 'body' });

  function expectHidden(reply: Reply): void {
    expect(reply.statusCode).toBe(200);
    expect(Object.keys(reply.json<object>()).sort()).toEqual(['access_token', 'expires_in', 'token_type']);
    expect(refreshCookie(reply)?.value).toMatch(/^tandem_rt_/);
    expect(reply.body).not.toContain(refreshCookie(reply)!.value);
  }

  it('is delivered by cookie only after any number of downgrades and exchanges', async () => {
    let token = refreshCookie(await loginBy('cookie'))!.value;
    for (const downgrade of [downgradeByCookie, downgradeByBody, downgradeByCookie]) {
      const session = sessionCookie(await downgrade(token))!;
      const tokens = await readBody(session);
      expectHidden(tokens);
      expectHidden(await readBody(session));
      const refreshed = await tryRefresh(node, refreshCookie(tokens)!.value);
      expectHidden(refreshed);
      token = refreshCookie(refreshed)!.value;
    }
  });

  it('is delivered by cookie only after a downgrade by cookie of a family that was delivered in the body', async () => {
    const { refresh_token } = tokensOf(await loginBy('body'));
    const session = sessionCookie(await downgradeByCookie(refresh_token))!;
    expectHidden(await readBody(session));
  });

  it('is delivered by cookie only if just the repeated downgrade came by cookie', async () => {
    const { refresh_token } = tokensOf(await loginBy('body'));
    await downgradeByBody(refresh_token);
    expectHidden(await readBody(sessionCookie(await downgradeByCookie(refresh_token))!));
  });

  it.each(BY_PAGE)(
    'is delivered by cookie only if a web page exchanges, for any requested delivery: %o',
    async (headers) => {
      for (const payload of [{ token_delivery: 'body' }, { token_delivery: 'cookie' }, {}]) {
        const reply = await bySession(node, await sessionLogin(node, user), {
          method: 'POST',
          url: '/auth/exchange',
          headers: { host: 'tandem.test', ...headers },
          payload,
        });
        expectHidden(reply);
        expectHidden(await tryRefresh(node, refreshCookie(reply)!.value));
      }
    },
  );

  it('is delivered by cookie only if a page repeats the exchange of another client', async () => {
    const cookie = await sessionLogin(node, user);
    tokensOf(await readBody(cookie));
    const headers = { 'sec-fetch-site': 'same-origin' };
    expectHidden(await bySession(node, cookie, { method: 'POST', url: '/auth/exchange', headers }));
  });

  it('is delivered in the body to a client without pages whose family was delivered in the body', async () => {
    const { refresh_token } = tokensOf(await loginBy('body'));
    const session = sessionCookie(await downgradeByBody(refresh_token))!;
    expect(tokensOf(await readBody(session)).refresh_token).toMatch(/^tandem_rt_/);
  });
});
