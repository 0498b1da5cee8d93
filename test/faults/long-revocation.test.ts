import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { login, sidOf } from '../helpers/client.js';
import { HASTY, late } from '../helpers/late-answer.js';
import { call } from '../helpers/remote-client.js';

const HOLD = 'SELECT FROM refresh_tokens WHERE id = $1 FOR UPDATE';

let node: TestApp;
let token: string;
beforeAll(async () => {
  node = await createTestApp({ listen: true, timeOuts: HASTY });
  token = (await login(node)).access_token;
});
afterAll(() => node.close());

it('an inactive call times out, but a call that revokes many token families does not', async () => {
  const one = sidOf(await login(node));
  const ofOne = () => call(node, 'DELETE', `/admin/tokens/${one}`, { token });
  await expect(late(node, HOLD, [one], ofOne)).rejects.toThrow('fetch failed');
  const another = sidOf(await login(node));
  const ofAll = () => call(node, 'POST', '/admin/tokens/revoke', { token, body: { role: 'admin' } });
  const answer = await late(node, HOLD, [another], ofAll);
  expect(answer.status).toBe(200);
  // The caller's own family and the other one. The call that timed out above has revoked its families nevertheless.
  expect(JSON.parse(answer.text)).toEqual({ revoked: 2 });
});
