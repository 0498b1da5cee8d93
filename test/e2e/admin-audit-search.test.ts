import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SealingJob } from '../../src/audit/sealing/sealing.job.js';
import { createTestApp } from '../helpers/app.js';
import { tamper } from '../helpers/audit-trail.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, bearer, codeOf, get, login, sidOf, sql } from '../helpers/client.js';
import type { Account } from '../helpers/client.js';

const NAUGHTY = JSON.parse(
  readFileSync(new URL('../vectors/naughty-strings/blns.json', import.meta.url), 'utf8'),
) as string[];

interface Event {
  readonly id: string;
  readonly event: string;
  readonly cause: string | null;
}
interface Page {
  readonly events: Event[];
  readonly next_cursor: string | null;
  readonly searched_to: string | null;
}

let node: TestApp;
let admin: string;
let adminId: string;
let user: Account;
let sid: string;
beforeAll(async () => {
  node = await createTestApp({ env: { TRUST_PROXY: '127.0.0.1' } });
  admin = (await login(node)).access_token;
  [{ id: adminId }] = (await sql<{ id: string }>(node, `SELECT id FROM users WHERE username = 'root'`)) as [
    { id: string },
  ];
  user = await aUser(node);
  const headers = { 'x-forwarded-for': '2001:db8::7', 'x-request-id': 'request-7' };
  sid = sidOf(await login(node, user, { headers }));
  await node.app.inject({ method: 'DELETE', url: `/admin/tokens/${sid}`, ...bearer(admin) });
});
afterAll(() => node.close());

const queryOf = (query: Record<string, string>) => new URLSearchParams(query).toString();

async function page(query: Record<string, string>): Promise<Page> {
  const reply = await get(node, `/admin/audit?${queryOf(query)}`, admin);
  expect(reply.statusCode, reply.body).toBe(200);
  return reply.json<Page>();
}
const found = async (query: Record<string, string>) =>
  (await page(query)).events.map(({ event, cause }) => `${event} ${cause}`);

describe('the filters of the audit trail', () => {
  it('find events by family, actor, cause, address, request and time', async () => {
    expect(await found({ sid })).toEqual(['revoke revoke', 'login password']);
    expect(await found({ sid: sid.toUpperCase(), event: 'login' })).toEqual(['login password']);
    expect(await found({ actor_id: adminId, sid })).toEqual(['revoke revoke']);
    expect(await found({ actor_id: user.id })).toEqual([]);
    expect(await found({ sid, cause: 'password' })).toEqual(['login password']);
    expect(await found({ ip: '2001:DB8:0::7' })).toEqual(['login password']);
    expect(await found({ request_id: 'request-7' })).toEqual(['login password']);
    expect(await found({ sid, until: '2020-01-01' })).toEqual([]);
    expect(await found({ sid, since: '2020-01-01', until: '2999-01-01' })).toHaveLength(2);
    expect(await found({ user_id: user.id, actor_id: adminId })).toEqual(['revoke revoke', 'user created']);
  });

  it('search a bounded number of events for each page, and find every match over all pages', async () => {
    await sql(
      node,
      `INSERT INTO audit_events (event, cause) SELECT 'refusal', 'flood' FROM generate_series(1, 110000)`,
    );
    const pages: Page[] = [];
    let cursor: string | null = null;
    do {
      const next: Page = await page({ sid, limit: '1', ...(cursor !== null && { cursor }) });
      pages.push(next);
      cursor = next.next_cursor;
    } while (cursor !== null);
    expect(pages.map(({ events }) => events.length)).toEqual([0, 0, 1, 1]);
    expect(pages.map(({ searched_to }) => searched_to === null)).toEqual([false, false, true, true]);
    // The index of users needs no search.
    const known = await page({ user_id: user.id, cause: 'password' });
    expect([known.events.length, known.next_cursor]).toEqual([1, null]);
    const far = Buffer.from('audit:999999999999999999').toString('base64url');
    expect((await page({ sid, cursor: far })).searched_to).not.toBeNull();
  });

  it.each([
    'sid=1',
    'actor_id=root',
    'ip=1.2.3',
    'until=yesterday',
    'cause=',
    `cause=${'a'.repeat(65)}`,
    'request_id=%00',
    'cause=a&cause=b',
    'event=nothing',
  ])('refuse ?%s, in the list and in the export', async (query) => {
    for (const path of ['/admin/audit', '/admin/audit/export'])
      expect(codeOf(await get(node, `${path}?${query}`, admin))).toBe('validation_failed');
  });

  it('take any text without an error of the server', async () => {
    const fields = ['cause', 'request_id', 'ip', 'sid'];
    for (const [index, text] of NAUGHTY.entries()) {
      if (index % 3 !== 0) continue;
      const query = queryOf({ [fields[index % fields.length]!]: text.toWellFormed(), user_id: user.id });
      const reply = await get(node, `/admin/audit?${query}`, admin);
      expect([200, 400], `${query}: ${reply.body}`).toContain(reply.statusCode);
    }
  });
});

describe('the export of the audit trail', () => {
  it('has all matching events as JSON lines, oldest first', async () => {
    const reply = await get(node, `/admin/audit/export?user_id=${user.id}`, admin);
    expect(reply.statusCode).toBe(200);
    expect(reply.headers).toMatchObject({
      'content-type': 'application/x-ndjson',
      'content-disposition': 'attachment; filename="audit.jsonl"',
      'cache-control': 'no-store',
    });
    const lines = reply.body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Event);
    expect(lines.map(({ event }) => event)).toEqual(['user', 'login', 'revoke']);
    const bySid = await get(node, `/admin/audit/export?sid=${sid}`, admin);
    expect(bySid.body.trimEnd().split('\n')).toHaveLength(2);
    expect((await get(node, `/admin/audit/export?sid=${randomUUID()}`, admin)).body).toBe('');
  });

  it('is closed to callers who are not administrators', async () => {
    const own = (await login(node, await aUser(node))).access_token;
    for (const path of ['export', 'seals']) {
      expect(codeOf(await get(node, `/admin/audit/${path}`, own))).toBe('forbidden');
      expect(codeOf(await get(node, `/admin/audit/${path}`))).toBe('token_missing');
    }
  });
});

describe('the state of the seals', () => {
  interface State {
    readonly head: { readonly id: string; readonly hash: string; readonly last_event_id: string } | null;
    readonly intact: boolean;
    readonly unsealed: number;
    readonly sealed_events: number;
  }
  const read = async () => (await get(node, '/admin/audit/seals', admin)).json<State>();

  it('has the end of the chain and what is not sealed yet', async () => {
    await expect
      .poll(async () => {
        await node.app.get(SealingJob).run();
        return (await read()).head !== null;
      })
      .toBe(true);
    const state = await read();
    expect(state).toMatchObject({
      intact: true,
      head: { hash: expect.stringMatching(/^[0-9a-f]{64}$/), sealed_at: expect.stringMatching(/Z$/) },
      checked_at: expect.stringMatching(/Z$/),
    });
    expect(state.sealed_events).toBeGreaterThan(0);
  });

  it('is not intact if somebody has changed the last seal', async () => {
    await tamper(
      node.db,
      `UPDATE audit_seals SET count = count + 1 WHERE id = (SELECT max(id) FROM audit_seals)`,
    );
    expect(await read()).toMatchObject({ intact: false, findings: [{ kind: 'forged' }] });
  });
});
