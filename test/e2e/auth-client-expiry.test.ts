import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthClient } from '@tandem-auth/client';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { Wire } from '../helpers/client-wire.js';
import { ROOT } from '../helpers/client.js';

describe('@tandem-auth/client with access tokens that live for a second', () => {
  let node: TestApp;
  beforeAll(async () => {
    node = await createTestApp({ listen: true, env: { TOKEN_EXPIRY: '1' } });
  });
  afterAll(() => node.close());

  it('serves for longer than a token lives, with the next token', async () => {
    const wire = new Wire();
    const client = createAuthClient({ baseUrl: node.url, fetch: wire.fetch });
    await client.login(ROOT);
    const first = await client.getAccessToken();
    await expect.poll(() => client.getAccessToken(), { timeout: 20_000 }).not.toBe(first);
    expect((await client.fetch('/api/users/me')).status).toBe(200);
    expect(wire.count('POST /auth/login')).toBe(1);
    client.dispose();
  });
});
