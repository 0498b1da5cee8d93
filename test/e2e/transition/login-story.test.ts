import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, get, login, post, sidOf, tokensOf } from '../../helpers/client.js';
import { SECRET, bySession, sessionCookie, sessionLogin, verifySession } from './session-client.js';

interface Detail {
  readonly login: { readonly linked: boolean };
  readonly linked: {
    readonly kind: string;
    readonly scheme: string;
    readonly id: string;
    readonly live: boolean;
  }[];
  readonly story: { readonly event: string }[];
}

describe('the story of a login that came from a session or became one', () => {
  let node: TestApp;
  let token: string;
  beforeAll(async () => {
    node = await createTestApp({ env: { SESSION_SECRET: SECRET } });
    token = (await login(node)).access_token;
  });
  afterAll(() => node.close());

  const tell = async (id: string) => (await get(node, `/admin/tokens/${id}`, token)).json<Detail>();
  const exchange = async (cookie: string) =>
    tokensOf(await bySession(node, cookie, { method: 'POST', url: '/auth/exchange', payload: {} }));

  it('names the session that was exchanged, by an id that revokes it', async () => {
    const cookie = await sessionLogin(node, await aUser(node));
    const tokens = await exchange(cookie);
    const detail = await tell(sidOf(tokens));
    expect(detail.login.linked).toBe(true);
    expect(detail.story.map(({ event }) => event)).toEqual(['exchange']);
    expect(detail.linked).toMatchObject([{ kind: 'exchanged_from', scheme: 'session', live: true }]);
    const url = `/admin/tokens/${detail.linked[0]!.id}`;
    expect((await node.app.inject({ method: 'DELETE', url, ...bearer(token) })).statusCode).toBe(204);
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    expect((await tell(sidOf(tokens))).linked).toMatchObject([{ kind: 'exchanged_from', live: false }]);
  });

  it('names the session of a downgrade, and the family before it', async () => {
    const user = await aUser(node);
    const first = await login(node, user);
    const { refresh_token } = first;
    const reply = await post(node, '/auth/downgrade', { refresh_token });
    const before = await tell(sidOf(first));
    expect(before.linked).toMatchObject([{ kind: 'downgraded_to', scheme: 'session', live: true }]);
    expect(before.story.map(({ event }) => event)).toEqual(['login', 'downgrade']);
    const second = await exchange(sessionCookie(reply)!);
    expect((await tell(sidOf(second))).linked).toMatchObject([
      { kind: 'exchanged_from', id: before.linked[0]!.id },
      { kind: 'downgraded_from', scheme: 'bearer', id: sidOf(first) },
    ]);
  });
});
