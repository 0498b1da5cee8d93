import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { login, sidOf } from '../helpers/client.js';
import { HASTY, late } from '../helpers/late-answer.js';

const HOLD = 'SELECT FROM refresh_tokens WHERE id = $1 FOR UPDATE';

let node: TestApp;
let token: string;
beforeAll(async () => {
  node = await createTestApp({ listen: true, timeOuts: HASTY });
  token = (await login(node)).access_token;
});
afterAll(() => node.close());

it('a call that nobody hears anything of is cut off, but not one that ends many logins', async () => {
  const headers = { Authorization: `Bearer ${token}` };
  const one = sidOf(await login(node));
  const ofOne = () => fetch(`${node.url}/admin/tokens/${one}`, { method: 'DELETE', headers });
  await expect(late(node, HOLD, [one], ofOne)).rejects.toThrow('fetch failed');
  const another = sidOf(await login(node));
  const ofAll = () =>
    fetch(`${node.url}/admin/tokens/revoke`, {
      method: 'POST',
      headers: { ...headers, 'Content-Type': 'application/json' },
      body: '{"role":"admin"}',
    });
  const answer = await late(node, HOLD, [another], ofAll);
  expect(answer.status).toBe(200);
  // The caller's own login and the other one; what was cut off above has been done all the same.
  expect(await answer.json()).toEqual({ revoked: 2 });
});
