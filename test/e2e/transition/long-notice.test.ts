import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { login } from '../../helpers/client.js';
import { HASTY, late } from '../../helpers/late-answer.js';

let node: TestApp;
beforeAll(async () => {
  node = await createTestApp({ listen: true, timeOuts: HASTY });
});
afterAll(() => node.close());

it('a notice to very many users may take longer to queue than a connection may be silent', async () => {
  const { access_token } = await login(node);
  const queue = () =>
    fetch(`${node.url}/admin/deprecation-notices`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${access_token}`, 'Content-Type': 'application/json' },
      body: '{}',
    });
  const answer = await late(node, 'LOCK TABLE deprecation_notices IN EXCLUSIVE MODE', [], queue);
  // There is nobody who uses sessions: but that is an answer.
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ code: 'validation_failed' });
});
