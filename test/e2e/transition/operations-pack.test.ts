import { afterAll, beforeAll, describe } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { get, login } from '../../helpers/client.js';
import { describeOperationsPack } from '../../helpers/operations-pack.js';

let node: TestApp;
beforeAll(async () => {
  node = await createTestApp();
  await get(node, '/api/users/me', (await login(node)).access_token);
});
afterAll(() => node.close());

describe('the operations pack for the transition', () => {
  describeOperationsPack(true, async () => (await get(node, '/metrics')).body);
});
