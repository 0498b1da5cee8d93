import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, bearer, login, sql } from '../helpers/client.js';

const NAUGHTY = JSON.parse(
  readFileSync(join(import.meta.dirname, '../vectors/naughty-strings/blns.json'), 'utf8'),
) as string[];

let node: TestApp;
let admin: ReturnType<typeof bearer>;
let id: string;
beforeAll(async () => {
  node = await createTestApp();
  admin = bearer((await login(node)).access_token);
  id = (await aUser(node)).id;
});
afterAll(() => node.close());

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

async function status(method: Method, url: string, body?: object | string): Promise<number> {
  const headers = { ...admin.headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
  const reply = await node.app.inject({
    method,
    url,
    headers,
    ...(body === undefined ? {} : { payload: body }),
  });
  return reply.statusCode;
}

/** Percent-encoded, half a character as the bytes that some clients send for it. */
const encoded = (text: string) => (text.isWellFormed() ? encodeURIComponent(text) : '%ED%A0%80');

it(
  'answers every naughty text in a query, a path or a body, and never fails of it',
  { timeout: 60_000 },
  async () => {
    const failures: string[] = [];
    for (const text of [...NAUGHTY, '\ud800', '\0', '%', '\\', '💥'.repeat(60), 'x'.repeat(5_000)]) {
      const calls: [Method, string, object?][] = [
        ['GET', `/admin/users?query=${encoded(text)}`],
        ['GET', `/admin/users?cursor=${encoded(text)}`],
        ['GET', `/admin/tokens?user_id=${encoded(text)}`],
        ['GET', `/admin/tokens?ip=${encoded(text)}&active=${encoded(text)}`],
        ['GET', `/admin/tokens?cursor=${Buffer.from(text).toString('base64url')}`],
        ['GET', `/admin/keys?cursor=${Buffer.from(text).toString('base64url')}&limit=${encoded(text)}`],
        ['DELETE', `/admin/tokens/${encoded(text)}`],
        ['DELETE', `/admin/keys/${encoded(text)}`],
        ['PATCH', `/admin/users/${encoded(text)}`, { disabled: true }],
        ['PATCH', `/admin/users/${id}`, { role: text, email: text, [text]: text }],
        ['POST', '/admin/tokens/revoke', { ip: text, role: text, issued_before: text, user_ids: [text] }],
      ];
      for (const [method, url, body] of calls) {
        const got = await status(method, url, body);
        if (got >= 500) failures.push(`${got} ${method} ${url}`);
      }
    }
    expect(failures).toEqual([]);
    // Nothing of it has changed anything.
    const [user] = await sql(node, 'SELECT role, email, disabled_at FROM users WHERE id = $1', [id]);
    expect(user).toEqual({ role: 'user', email: null, disabled_at: null });
    expect(
      await sql(node, `SELECT 1 FROM audit_events WHERE event IN ('revoke', 'key') AND actor_id IS NOT NULL`),
    ).toEqual([]);
  },
);

it.each([
  ['a number', '7'],
  ['true', 'true'],
  ['null', 'null'],
  ['a text', '"x"'],
  ['a list', '[{"role":"admin"}]'],
  ['a list in a field', '{"role":["admin"],"user_ids":["x"]}'],
  ['an object in a field', '{"role":{"$ne":null},"ip":{"toString":"x"}}'],
  ['a prototype', '{"__proto__":{"role":"admin"},"role":"user"}'],
  ['a constructor', '{"constructor":{"prototype":{"role":"admin"}}}'],
  ['the same field twice', '{"role":"root","role":"No Body"}'],
  ['a number beyond all bounds', '{"issued_before":1e999,"disabled":1e999}'],
  ['a deep nest', `${'{"role":'.repeat(500)}1${'}'.repeat(500)}`],
])('refuses %s for a body', async (_, body) => {
  expect(await status('PATCH', `/admin/users/${id}`, body)).toBe(400);
  expect(await status('POST', '/admin/tokens/revoke', body)).toBe(400);
  expect(await status('PATCH', `/admin/users/${randomUUID()}`, body)).toBe(400);
});
