import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RefusalCounter } from '../../src/audit/refusal-counter.js';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, bearer, codeOf, get, login, post, refresh, sidOf, tryLogin } from '../helpers/client.js';
import type { Account } from '../helpers/client.js';

interface Event {
  readonly id: string;
  readonly at: string;
  readonly event: string;
  readonly cause: string | null;
  readonly user_id: string | null;
  readonly sid: string | null;
  readonly count: number;
}

interface Page {
  readonly events: Event[];
  readonly next_cursor: string | null;
}

describe('GET /admin/audit', () => {
  let node: TestApp;
  let admin: string;
  let user: Account;
  beforeAll(async () => {
    node = await createTestApp();
    admin = (await login(node)).access_token;
    user = await aUser(node);
  });
  afterAll(() => node.close());

  async function page(query: string): Promise<Page> {
    const reply = await get(node, `/admin/audit?${query}`, admin);
    expect(reply.statusCode, reply.body).toBe(200);
    return reply.json<Page>();
  }

  it('lists events, newest first, with user, address and request id', async () => {
    const more = { headers: { 'x-request-id': 'req-audit', 'user-agent': 'Phone/1.0' } };
    const tokens = await login(node, user, more);
    await refresh(node, tokens.refresh_token);
    await post(node, '/auth/logout', undefined, bearer(tokens.access_token));
    const { events, next_cursor } = await page(`user_id=${user.id.toUpperCase()}`);
    expect(events.map(({ event }) => event)).toEqual(['logout', 'refresh', 'login', 'user']);
    expect(next_cursor).toBeNull();
    expect(events[2]).toEqual({
      id: expect.stringMatching(/^\d+$/),
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      event: 'login',
      cause: 'password',
      user_id: user.id,
      external_id: null,
      actor_id: null,
      sid: sidOf(tokens),
      ip: '127.0.0.1',
      user_agent: 'Phone/1.0',
      request_id: 'req-audit',
      count: 1,
      detail: null,
    });
  });

  it('is read page by page without gaps or repetitions while events are added', async () => {
    for (let time = 0; time < 7; time++) await login(node, user);
    const all = (await page('event=login&limit=100')).events.map(({ id }) => id);
    const read: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const next: Page = await page(`event=login&limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`);
      expect(next.events.length).toBeLessThanOrEqual(3);
      read.push(...next.events.map(({ id }) => id));
      cursor = next.next_cursor;
      await login(node, user);
    }
    expect(read).toEqual(all);
  });

  it('filters by event, user and time, and by all together', async () => {
    const other = await aUser(node);
    const [last] = (await page('limit=1')).events;
    await login(node, other);
    await login(node, user);
    const since = encodeURIComponent(last!.at.replace('Z', '+00:00'));
    const { events } = await page(`user_id=${other.id}&event=login&since=${since}`);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ user_id: other.id, event: 'login' });
    const recent = (await page(`since=${since}&limit=100`)).events;
    expect(recent.length).toBeGreaterThanOrEqual(3);
    for (const { at } of recent) expect(Date.parse(at)).toBeGreaterThanOrEqual(Date.parse(last!.at));
    for (const none of [
      'since=2999-01-01T00:00:00Z',
      'event=mail',
      'user_id=00000000-0000-4000-8000-000000000000',
    ])
      expect(await page(none)).toEqual({ events: [], next_cursor: null, searched_to: null });
    expect((await page('since=0001-01-01T00:00:00Z&limit=100')).events.length).toBeGreaterThan(10);
  });

  it('counts unauthenticated refusals', async () => {
    for (let time = 0; time < 3; time++)
      await tryLogin(node, { ...user, password: 'wrong' }, { remoteAddress: '192.0.2.77' });
    await node.app.get(RefusalCounter).flush();
    const { events } = await page('event=refusal');
    expect(events).toContainEqual(
      expect.objectContaining({ cause: 'wrong_password', ip: '192.0.2.77', count: 3, user_id: null }),
    );
  });

  it('accepts a date as a time, like the report', async () => {
    const day = new Date().toISOString().slice(0, 10);
    const since = (await page(`since=${day}&limit=100`)).events;
    expect(since).toEqual((await page(`since=${day}T00:00:00Z&limit=100`)).events);
    expect(since.length).toBeGreaterThan(0);
    expect((await page('since=2999-01-01')).events).toEqual([]);
  });

  it.each([
    'event=nothing',
    'event=login&event=logout',
    'user_id=me',
    'since=yesterday',
    'since=2026-11-24T12:00:00',
    'since=2026-02-30',
    'since=2026-11-24&since=2026-11-25',
    'since=2026-13-01T00:00:00Z',
    'limit=0',
    'limit=101',
    'limit=1e1',
    'cursor=abc',
    `cursor=${Buffer.from('1 OR 1=1').toString('base64url')}`,
    `cursor=${Buffer.from('9'.repeat(30)).toString('base64url')}`,
    'cursor[]=a',
    'user_id=%00',
  ])('refuses ?%s', async (query) => {
    const reply = await get(node, `/admin/audit?${query}`, admin);
    expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'validation_failed']);
  });

  it('is open to administrators only', async () => {
    const { access_token } = await login(node, user);
    expect(codeOf(await get(node, '/admin/audit', access_token))).toBe('forbidden');
    expect((await get(node, '/admin/audit')).statusCode).toBe(401);
  });
});
