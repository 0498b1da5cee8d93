import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RefusalCounter } from '../../src/audit/refusal-counter.js';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import {
  ROOT,
  aUser,
  bearer,
  everyRow,
  get,
  login,
  post,
  refresh,
  tryLogin,
  tryRefresh,
} from '../helpers/client.js';
import type { Account, Tokens } from '../helpers/client.js';

/** A password, as far as the service can tell: no form of ours. */
const PASSWORD = 'hunter2-secret';

describe('the tables of the database', () => {
  let node: TestApp;
  let user: Account;
  let tokens: Tokens;
  let clientSecret: string;
  beforeAll(async () => {
    node = await createTestApp({ env: { TRUST_PROXY: '127.0.0.1' } });
    user = await aUser(node);
    tokens = await login(node, user);
    const admin = bearer((await login(node)).access_token);
    const made = await post(node, '/admin/clients', { name: 'billing' }, admin);
    clientSecret = made.json<{ client_secret: string }>().client_secret;
  });
  afterAll(() => node.close());

  async function expectNowhere(text: string): Promise<void> {
    await node.app.get(RefusalCounter).flush();
    const rows = await everyRow(node);
    expect(rows.filter((row) => row.includes(text))).toEqual([]);
  }

  it('contain no secret that a client sent in the User-Agent', async () => {
    const signed = `s:${'x'.repeat(32)}.${'y'.repeat(43)}`;
    const basic = Buffer.from(`id:${clientSecret}`).toString('base64');
    const secrets = [tokens.refresh_token, tokens.access_token, clientSecret, signed, basic];
    const agents = [
      tokens.refresh_token,
      `app/1.0 (${tokens.access_token})`,
      `${'x'.repeat(240)} ${tokens.refresh_token}`,
      `secret=${clientSecret}`,
      `session_id=${encodeURIComponent(signed)}`,
      signed,
      `Authorization: Basic ${basic}`,
      `Authorization: Bearer ${tokens.access_token}`,
    ];
    for (const agent of agents) {
      const next = await login(node, user, { headers: { 'user-agent': agent } });
      const spent = await tryRefresh(node, next.refresh_token, { headers: { 'user-agent': agent } });
      expect(spent.statusCode).toBe(200);
    }
    for (const secret of secrets) {
      await expectNowhere(secret);
      // Nor the first half: enough to tell whose it is, and to search for the rest.
      await expectNowhere(secret.slice(0, Math.ceil(secret.length / 2)));
    }
    const { devices } = (await get(node, '/auth/devices', tokens.access_token)).json<{
      devices: { user_agent: string }[];
    }>();
    expect(devices.map(({ user_agent }) => user_agent)).toContain('app/1.0 ([secret])');
  });

  it.each([
    'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
    'Mozilla/5.0 (compatible; bot/1.0; +https://bots.example.com/a.b/c)',
    'Visual Basic 6.0 on Windows: 11.0.22621.4317',
    'okhttp/5.1.0 eyJ basic',
  ])('but the name of a client does: %s', async (agent) => {
    const { access_token } = await login(node, user, { headers: { 'user-agent': agent } });
    const { devices } = (await get(node, '/auth/devices', access_token)).json<{
      devices: { user_agent: string; current: boolean }[];
    }>();
    expect(devices.find(({ current }) => current)?.user_agent).toBe(agent);
  });

  it('contain no secret that a client sent in X-Request-Id', async () => {
    for (const id of [clientSecret, tokens.refresh_token, tokens.refresh_token.slice(0, 60)]) {
      const reply = await tryLogin(node, user, { headers: { 'x-request-id': id } });
      expect(reply.headers['x-request-id']).toMatch(/^[\da-f-]{36}$/);
      await expectNowhere(id);
    }
  });

  it('contain no text that a proxy forwards as an address', async () => {
    const headers = { 'x-forwarded-for': PASSWORD };
    const form = { 'content-type': 'application/x-www-form-urlencoded', ...headers };
    await login(node, user, { headers });
    await tryLogin(node, { ...user, password: 'wrong' }, { headers });
    await tryRefresh(node, 'garbage', { headers });
    const payload = `token=x&client_id=${PASSWORD}&client_secret=${PASSWORD}`;
    const refused = await node.app.inject({
      method: 'POST',
      url: '/oauth/introspect',
      headers: form,
      payload,
    });
    expect(refused.statusCode).toBe(401);
    await expectNowhere(PASSWORD);
    const rows = await everyRow(node);
    expect(rows.some((row) => row.includes('invalid_client') && row.includes('127.0.0.1'))).toBe(true);
  });

  it('contain no password that was typed into the username field', async () => {
    for (const username of [PASSWORD, user.password, `${ROOT.username} ${PASSWORD}`]) {
      expect((await tryLogin(node, { id: '', username, password: user.username })).statusCode).toBe(401);
    }
    const { access_token } = await refresh(node, (await login(node, user)).refresh_token);
    for (const url of [`/api/users/me/${PASSWORD}`, `/auth/devices/${PASSWORD}`, `/${PASSWORD}`]) {
      await node.app.inject({ method: 'DELETE', url: `${url}?a=${PASSWORD}`, ...bearer(access_token) });
    }
    await expectNowhere(PASSWORD);
    await expectNowhere(user.password);
  });
});
