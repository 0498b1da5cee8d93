import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { ROOT, bearer, codeOf, get, login, sql, tryLogin } from '../helpers/client.js';
import type { Account, Reply } from '../helpers/client.js';

interface Limit {
  readonly bucket: string;
  readonly subject: string;
  readonly used: number;
  readonly limit: number;
  readonly blocked_until: string | null;
}

const LIMIT = 5;

let one: TestApp;
let two: TestApp;
let token: string;
let user: Account;
beforeAll(async () => {
  const env = { TRUST_PROXY: '127.0.0.1', AUTH_RATE_LIMIT: String(LIMIT), AUTH_RATE_WINDOW: '3600' };
  one = await createTestApp({ env });
  two = await createTestApp({ env, db: one.db });
  const from = (ip: string) => ({ headers: { 'x-forwarded-for': ip } });
  token = (await login(one, ROOT, from('198.51.100.1'))).access_token;
  const account = { username: `user-${randomUUID()}`, password: 'a quite long pass phrase' };
  const reply = await one.app.inject({
    method: 'POST',
    url: '/admin/users',
    payload: account,
    ...bearer(token),
  });
  user = { ...account, id: reply.json<{ id: string }>().id };
});
afterAll(async () => {
  await two.close();
  await one.close();
});

const refusal = (reply: Reply) => `${reply.statusCode} ${codeOf(reply)}`;
const attempt = (ip: string, account: Account, node = one) =>
  tryLogin(node, account, { headers: { 'x-forwarded-for': ip } });
const wrong = () => ({ ...user, password: 'a wrong long pass phrase' });
const stranger = () => ({ ...user, username: randomUUID() });

async function limits(query: string): Promise<Limit[]> {
  const reply = await get(one, `/admin/limits?${query}`, token);
  expect(reply.statusCode, reply.body).toBe(200);
  return reply.json<{ limits: Limit[] }>().limits;
}
const release = (query: string, as = token) =>
  one.app.inject({ method: 'DELETE', url: `/admin/limits?${query}`, ...bearer(as) });

describe('the limits of an address', () => {
  it('are shown with their use, and whether it is blocked', async () => {
    expect(await limits('ip=192.0.2.1')).toEqual([]);
    await attempt('192.0.2.1', stranger());
    expect(await limits('ip=::ffff:192.0.2.1')).toEqual([
      { bucket: 'login', subject: '192.0.2.1', used: 1, limit: LIMIT, blocked_until: null },
    ]);
    for (let count = 1; count < LIMIT; count += 1) await attempt('192.0.2.1', stranger());
    const [blocked] = await limits('ip=192.0.2.1');
    expect(blocked).toMatchObject({ used: LIMIT, blocked_until: expect.stringMatching(/Z$/) });
    const wait = Date.parse(blocked!.blocked_until!) - Date.now();
    expect(wait).toBeGreaterThan(3_000_000);
    expect(wait).toBeLessThanOrEqual(3_660_000);
  });

  it('are released on every node, with an audit event', async () => {
    for (const node of [one, two])
      expect(refusal(await attempt('192.0.2.1', user, node))).toBe('429 rate_limited');
    expect((await release('ip=192.0.2.1')).statusCode).toBe(204);
    expect(await limits('ip=192.0.2.1')).toEqual([]);
    expect((await attempt('192.0.2.1', user)).statusCode).toBe(200);
    await expect.poll(async () => (await attempt('192.0.2.1', user, two)).statusCode).toBe(200);
    expect((await release('ip=192.0.2.1')).statusCode).toBe(204);
    const events = await sql(
      one,
      `SELECT detail, actor_id IS NOT NULL AS actor FROM audit_events WHERE cause = 'limits_released' ORDER BY id LIMIT 1`,
    );
    expect(events).toEqual([{ detail: { ip: '192.0.2.1' }, actor: true }]);
  });

  it('are those of the networks of an IPv6 address, too', async () => {
    await attempt('2001:db8:1:2::7', stranger());
    expect((await limits('ip=2001:DB8:1:2:0::9')).map(({ subject, limit }) => [subject, limit])).toEqual([
      ['2001:db8:1:2::/64', LIMIT],
      ['2001:db8:1:0::/56', 4 * LIMIT],
      ['2001:db8:1:0::/48', 16 * LIMIT],
    ]);
  });
});

describe('the limits of a user', () => {
  it('are shown and released, with the consecutive failed logins', async () => {
    for (let count = 0; count < LIMIT; count += 1) await attempt(`203.0.113.${count}`, wrong());
    expect(refusal(await attempt('203.0.113.99', user))).toBe('429 rate_limited');
    expect(await limits(`user_id=${user.id.toUpperCase()}`)).toMatchObject([
      { bucket: 'account', subject: user.username, used: LIMIT, blocked_until: expect.any(String) },
      { bucket: 'login_failures', subject: user.username, used: LIMIT, limit: 100, blocked_until: null },
    ]);
    await sql(one, `UPDATE login_failures SET failures = 101, retry_at = now() + interval '1 hour'`);
    expect((await limits(`user_id=${user.id}`))[1]).toMatchObject({
      used: 101,
      blocked_until: expect.any(String),
    });
    expect((await release(`user_id=${user.id}`)).statusCode).toBe(204);
    expect(await limits(`user_id=${user.id}`)).toEqual([]);
    expect((await attempt('203.0.113.98', user)).statusCode).toBe(200);
  });
});

describe('the calls', () => {
  it.each([
    '',
    'ip=',
    'ip=1.2.3',
    'ip=10.0.0.0/8',
    'user_id=1',
    `ip=::1&user_id=${randomUUID()}`,
    'ip=::1&ip=::2',
    'x=1',
  ])('refuse ?%s', async (query) => {
    expect(refusal(await get(one, `/admin/limits?${query}`, token))).toBe('400 validation_failed');
    expect(refusal(await release(query))).toBe('400 validation_failed');
  });

  it('answer 404 for an unknown user', async () => {
    const query = `user_id=${randomUUID()}`;
    expect(refusal(await get(one, `/admin/limits?${query}`, token))).toBe('404 not_found');
    expect(refusal(await release(query))).toBe('404 not_found');
  });

  it('are closed to callers who are not administrators', async () => {
    const own = (await login(one, user, { headers: { 'x-forwarded-for': '198.51.100.7' } })).access_token;
    expect(refusal(await get(one, '/admin/limits?ip=::1', own))).toBe('403 forbidden');
    expect(refusal(await release('ip=::1', own))).toBe('403 forbidden');
    expect(refusal(await get(one, '/admin/limits?ip=::1'))).toBe('401 token_missing');
  });
});
