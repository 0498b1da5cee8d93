import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { login } from '../../helpers/client.js';
import { HASTY, late } from '../../helpers/late-answer.js';
import { call } from '../../helpers/remote-client.js';

let node: TestApp;
beforeAll(async () => {
  node = await createTestApp({ listen: true, timeOuts: HASTY });
});
afterAll(() => node.close());

it('queues a notice to very many users for longer than the inactivity timeout of a connection', async () => {
  const { access_token: token } = await login(node);
  const queue = () => call(node, 'POST', '/admin/deprecation-notices', { token, body: {} });
  const answer = await late(node, 'LOCK TABLE deprecation_notices IN EXCLUSIVE MODE', [], queue);
  // There is nobody who uses sessions: but that is an answer.
  expect(answer.status).toBe(400);
  expect(answer.code).toBe('validation_failed');
});
