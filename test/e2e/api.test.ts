import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, bearer, codeOf, get, login } from '../helpers/client.js';
import type { Account } from '../helpers/client.js';

interface Page {
  readonly users: { readonly id: string; readonly username: string; readonly role: string }[];
  readonly next_cursor: string | null;
}

describe('the API', () => {
  let node: TestApp;
  let token: string;
  let users: Account[];
  beforeAll(async () => {
    node = await createTestApp();
    users = [];
    for (let made = 0; made < 5; made++) users.push(await aUser(node));
    token = (await login(node, users[0])).access_token;
  });
  afterAll(() => node.close());

  it("shows the caller's own user", async () => {
    const reply = await get(node, '/api/users/me', token);
    expect(reply.statusCode).toBe(200);
    expect(reply.json()).toEqual({
      id: users[0]!.id,
      username: users[0]!.username,
      role: 'user',
      external_id: null,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    });
  });

  it('lists each user once over all pages, with exactly three fields', async () => {
    const seen: Page['users'] = [];
    let cursor: string | null = null;
    let pages = 0;
    do {
      const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const reply = await get(node, `/api/users?limit=4${query}`, token);
      expect(reply.statusCode).toBe(200);
      const page = reply.json<Page>();
      expect(Object.keys(page).sort()).toEqual(['next_cursor', 'users']);
      seen.push(...page.users);
      cursor = page.next_cursor;
      pages += 1;
    } while (cursor !== null && pages < 10);
    expect(pages).toBe(2);
    expect(seen.map(({ username }) => username).sort()).toEqual(
      ['root', ...users.map(({ username }) => username)].sort(),
    );
    for (const user of seen) expect(Object.keys(user).sort()).toEqual(['id', 'role', 'username']);
  });

  it('lists fifty users by default', async () => {
    expect((await get(node, '/api/users', token)).json()).toMatchObject({ next_cursor: null });
  });

  it.each(['limit=0', 'limit=101', 'limit=x', 'limit=1&limit=2', 'cursor=garbage', 'unknown=1'])(
    'answers 400 to ?%s',
    async (query) => {
      const reply = await get(node, `/api/users?${query}`, token);
      expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'validation_failed']);
    },
  );

  it('keeps a valid request id and replaces any other', async () => {
    const idOf = async (given: string) => {
      const headers = { ...bearer(token).headers, 'x-request-id': given };
      return (await node.app.inject({ url: '/api/users/me', headers })).headers['x-request-id'];
    };
    expect(await idOf('abc-123')).toBe('abc-123');
    for (const insane of ['a b', '<script>', 'x'.repeat(500)]) {
      expect(await idOf(insane)).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it('answers 404 to an unknown path as a problem', async () => {
    const reply = await get(node, '/nowhere', token);
    expect(reply.statusCode).toBe(404);
    expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(reply.json()).toEqual({
      type: expect.any(String),
      title: expect.any(String),
      status: 404,
      detail: expect.any(String),
      code: 'not_found',
      request_id: reply.headers['x-request-id'],
    });
    expect(reply.body).not.toMatch(/nowhere|Controller|Error:/);
  });
});
