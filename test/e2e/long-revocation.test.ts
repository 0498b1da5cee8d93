import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { login, sidOf } from '../helpers/client.js';

/** Milliseconds. */
const SILENCE = 500;
const TIME_OUTS = {
  head: 10_000,
  request: 10_000,
  silence: SILENCE,
  idle: 10_000,
  check: 1_000,
  announce: 0,
  linger: 0,
  drain: 1_000,
};

let node: TestApp;
let token: string;
beforeAll(async () => {
  node = await createTestApp({ listen: true, timeOuts: TIME_OUTS });
  token = (await login(node)).access_token;
});
afterAll(() => node.close());

/** The answer to a call that has to wait for the row of that login, for longer than a connection may be silent. */
async function late(sid: string, begin: () => Promise<Response>): Promise<Response> {
  const { answer } = await node.db.database.transaction(async (sql) => {
    await sql.query('SELECT FROM refresh_tokens WHERE id = $1 FOR UPDATE', [sid]);
    const begun = begin();
    begun.catch(() => undefined);
    await delay(3 * SILENCE);
    return { answer: begun };
  });
  return answer;
}

it('a call that nobody hears anything of is cut off, but not one that ends many logins', async () => {
  const headers = { Authorization: `Bearer ${token}` };
  const one = sidOf(await login(node));
  const ofOne = () => fetch(`${node.url}/admin/tokens/${one}`, { method: 'DELETE', headers });
  await expect(late(one, ofOne)).rejects.toThrow('fetch failed');
  const another = sidOf(await login(node));
  const ofAll = () =>
    fetch(`${node.url}/admin/tokens/revoke`, {
      method: 'POST',
      headers: { ...headers, 'Content-Type': 'application/json' },
      body: '{"role":"admin"}',
    });
  const answer = await late(another, ofAll);
  expect(answer.status).toBe(200);
  // The caller's own login and the other one; what was cut off above has been done all the same.
  expect(await answer.json()).toEqual({ revoked: 2 });
});
