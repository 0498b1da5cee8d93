import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import {
  aUser,
  age,
  bearer,
  codeOf,
  get,
  login,
  post,
  refresh,
  sidOf,
  sql,
  tryRefresh,
} from '../helpers/client.js';

interface Entry {
  readonly event: string;
  readonly cause: string | null;
  readonly count: number;
  readonly addresses: number;
  readonly at: string;
  readonly until: string;
  readonly request_id: string | null;
  readonly actor: { readonly username: string | null } | null;
}
interface Detail {
  readonly login: { readonly id: string; readonly state: string; readonly current: boolean };
  readonly linked: unknown[];
  readonly story: Entry[];
  readonly truncated: boolean;
}

describe('the story of a login', () => {
  let node: TestApp;
  let token: string;
  beforeAll(async () => {
    node = await createTestApp({ env: { TRUST_PROXY: '127.0.0.1' } });
    token = (await login(node)).access_token;
  });
  afterAll(() => node.close());

  async function tell(id: string, as = token): Promise<Detail> {
    const reply = await get(node, `/admin/tokens/${id}`, as);
    expect(reply.statusCode, reply.body).toBe(200);
    return reply.json<Detail>();
  }
  const short = ({ story }: Detail) => story.map(({ event, cause, count }) => `${event} ${cause} ${count}`);

  it('begins with the login, folds consecutive refreshes, and ends with its reason and its actor', async () => {
    const user = await aUser(node);
    const first = await login(node, user, { headers: { 'x-request-id': 'request-1' } });
    await login(node, user);
    const sid = sidOf(first);
    let { refresh_token } = first;
    for (const ip of ['192.0.2.1', '192.0.2.2', '192.0.2.2']) {
      const reply = await tryRefresh(node, refresh_token, { headers: { 'x-forwarded-for': ip } });
      ({ refresh_token } = reply.json<{ refresh_token: string }>());
    }
    const url = `/admin/tokens/${sid}?note=stolen`;
    await node.app.inject({ method: 'DELETE', url, ...bearer(token) });
    const detail = await tell(sid.toUpperCase());
    expect(detail.login).toMatchObject({ id: sid, state: 'revoked', revoke_note: 'stolen', current: false });
    expect(detail).toMatchObject({ linked: [], truncated: false });
    expect(short(detail)).toEqual(['login password 1', 'refresh null 3', 'revoke revoke 1']);
    const [began, refreshes, end] = detail.story as [Entry, Entry, Entry];
    expect(began).toMatchObject({ request_id: 'request-1', actor: null, addresses: 1 });
    expect(refreshes).toMatchObject({ ip: '192.0.2.2', addresses: 2 });
    expect(Date.parse(refreshes.until)).toBeGreaterThanOrEqual(Date.parse(refreshes.at));
    expect(end).toMatchObject({ actor: { username: 'root' }, detail: { note: 'stolen' } });
  });

  it('has the reuse of a spent token between the refreshes before and the end', async () => {
    const user = await aUser(node);
    const first = await login(node, user);
    const second = await refresh(node, first.refresh_token);
    await refresh(node, second.refresh_token);
    await age(node, sidOf(first), 100_000);
    expect((await tryRefresh(node, first.refresh_token)).statusCode).toBe(401);
    expect(short(await tell(sidOf(first)))).toEqual([
      'login password 1',
      'refresh null 2',
      'refresh_reused reuse 1',
    ]);
  });

  it('has the event that ended all logins of the user, and not what happened to the user later', async () => {
    const user = await aUser(node);
    const tokens = await login(node, user);
    await post(node, `/admin/users/${user.id}/revoke`, {}, bearer(token));
    // Long after the end.
    await sql(
      node,
      `INSERT INTO audit_events (event, cause, user_id, at) VALUES ('revoke', 'later', $1, now() + interval '1 hour')`,
      [user.id],
    );
    const detail = await tell(sidOf(tokens));
    expect(short(detail)).toEqual(['login password 1', 'revoke revoke 1']);
    expect(detail.story.at(-1)).toMatchObject({ actor: { username: 'root' } });
  });

  it('marks the login that asks', async () => {
    const tokens = await login(node);
    expect((await tell(sidOf(tokens), tokens.access_token)).login.current).toBe(true);
    expect((await tell(sidOf(tokens))).login.current).toBe(false);
  });

  it('is refused for an unknown login, for text that is no id, and for callers who are not administrators', async () => {
    const refusal = async (id: string, as?: string) => {
      const reply = await get(node, `/admin/tokens/${id}`, as);
      return `${reply.statusCode} ${codeOf(reply)}`;
    };
    expect(await refusal(randomUUID(), token)).toBe('404 not_found');
    for (const id of ['1', '%27', '%00', encodeURIComponent('💥')])
      expect(await refusal(id, token)).toMatch(/^400/);
    const own = await login(node, await aUser(node));
    expect(await refusal(sidOf(own), own.access_token)).toBe('403 forbidden');
    expect(await refusal(sidOf(own))).toBe('401 token_missing');
  });
});
